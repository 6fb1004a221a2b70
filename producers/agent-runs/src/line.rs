//! One line of the file.

use serde::Deserialize;

use crate::decimal::Dollars;

/// One run as its line tells it. Unknown fields are refused: they might mean something.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRun {
    /// The source's name of the run.
    pub run_id: String,
    pub(crate) task: String,
    pub(crate) repository: String,
    pub(crate) model: String,
    pub(crate) agent: String,
    pub(crate) step_limit: Option<i32>,
    pub(crate) cost_limit_usd: Option<Dollars>,
    pub(crate) exit_status: String,
    pub(crate) patch_bytes: u32,
    pub(crate) api_calls: i32,
    pub(crate) cost_usd: Option<Dollars>,
    pub(crate) resolved: Option<bool>,
    /// Its steps in order.
    pub steps: Vec<AgentStep>,
}

/// One answer of the model and what the agent did with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentStep {
    /// Unix seconds of the answer.
    pub(crate) at: u32,
    pub(crate) prompt_tokens: u32,
    pub(crate) completion_tokens: u32,
    pub(crate) reasoning_tokens: u32,
    pub(crate) cached_tokens: u32,
    pub(crate) cost_usd: Option<Dollars>,
    pub(crate) tool: Option<String>,
    pub(crate) thought_bytes: u32,
    pub(crate) exit_code: Option<i32>,
    pub(crate) output_bytes: u32,
}

/// A line that cannot be imported, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {problem}")]
pub struct BadLine {
    /// Where in the line, such as `steps[3].cost_usd`; `.` for the line as a whole.
    pub field: String,
    /// What is wrong there.
    pub problem: String,
}

/// Reads one line.
///
/// # Errors
/// Names the first field that is missing, unknown, of another type or out of range.
pub fn parse(line: &str) -> Result<AgentRun, BadLine> {
    let mut json = serde_json::Deserializer::from_str(line);
    let run: AgentRun = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| BadLine { field: error.path().to_string(), problem: error.inner().to_string() })?;
    json.end().map_err(|error| BadLine { field: ".".to_owned(), problem: error.to_string() })?;

    if run.run_id.len() != 32 || !run.run_id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(BadLine {
            field: "run_id".to_owned(),
            problem: format!("{:?} is not 32 hex digits", run.run_id),
        });
    }
    if run.steps.is_empty() {
        return Err(BadLine { field: "steps".to_owned(), problem: "a run has at least one step".to_owned() });
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: &str, to: &str) -> String {
        let good = r#"{"run_id":"e2dc9250f84362003f70adb53829340c","task":"t","repository":"r","model":"m","agent":"a","step_limit":250,"cost_limit_usd":3.0,"exit_status":"Submitted","patch_bytes":7,"api_calls":1,"cost_usd":0.5,"resolved":true,"steps":[{"at":1763511278,"prompt_tokens":3,"completion_tokens":2,"reasoning_tokens":1,"cached_tokens":0,"cost_usd":null,"tool":"ls","thought_bytes":9,"exit_code":0,"output_bytes":8}]}"#;
        assert!(good.contains(from));
        good.replace(from, to)
    }

    fn field(from: &str, to: &str) -> String {
        parse(&line(from, to)).unwrap_err().field
    }

    #[test]
    fn a_good_line_is_read() {
        assert_eq!(parse(&line("ls", "ls")).unwrap().steps.len(), 1);
    }

    #[test]
    fn a_bad_line_is_refused_by_its_field() {
        assert_eq!(field(r#""prompt_tokens":3"#, r#""prompt_tokens":-3"#), "steps[0].prompt_tokens");
        assert_eq!(field(r#""cost_usd":0.5"#, r#""cost_usd":"much""#), "cost_usd");
        assert_eq!(field(r#""cost_usd":0.5"#, r#""cost_usd":-0.5"#), "cost_usd");
        assert_eq!(field(r#""at":1763511278"#, r#""at":"yesterday""#), "steps[0].at");
        assert_eq!(field("e2dc", "zzzz"), "run_id");
        assert_eq!(field(r#""resolved""#, r#""resolute""#), "resolute");
        assert!(parse(&line(r#","task":"t""#, "")).unwrap_err().problem.contains("missing field `task`"));
        assert!(parse("").is_err() && parse("{}x").is_err());
    }
}
