//! Topics, users, ACLs and schemas as declared, and the act of making it so.
