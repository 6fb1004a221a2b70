//! The event sets of this program: each is registered here and nowhere else.

/// Expands a block once per event set, `$E` being the set's type.
///
/// What needs no more than the types walks over them; what begins with the name of an aggregate type compares:
///
/// ```
/// use events::DomainEvent;
///
/// let mut topics = Vec::new();
/// events::each_event_set!(E => { topics.push(E::TOPIC) });
/// assert!(topics.contains(&"agents.workflow.events"));
///
/// let mut known = None;
/// events::each_event_set!(E => { if E::AGGREGATE_TYPE == "prompt" { known = Some(E::TYPES.len()) } });
/// assert!(known.is_some());
/// ```
#[macro_export]
macro_rules! each_event_set {
    ($E:ident => $body:block) => {{
        type $E = $crate::ExecutionEvent;
        $body
    }
    {
        type $E = $crate::WorkflowEvent;
        $body
    }
    {
        type $E = $crate::PromptEvent;
        $body
    }};
}
