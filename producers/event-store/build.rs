//! A new migration file makes the crate build anew; `sqlx::migrate!` alone notices changed files only.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
