use agents::{Execution, ExecutionCommand, RecordModelCall, RecordToolUse, StartExecution};
use event_store::{Append, Codec, Config, Context, EventStore, Expected, PgEventStore, Place, Repository};
use events::{AggregateId, DomainEvent, EventId, ExecutionId, Metadata, TenantId, Timestamp};
use uuid::Uuid;

use super::World;

/// An agent at work, as a service would drive it: one live command at a time.
#[derive(Debug)]
pub(crate) struct Agent {
    executions: Repository<Execution, PgEventStore>,
    tenant: TenantId,
    pub(crate) id: ExecutionId,
    step: i32,
}

/// What its events say about why they exist.
pub(crate) fn metadata() -> Metadata {
    Metadata {
        correlation_id: Some("request-7".to_owned()),
        causation_id: Some("command-8".to_owned()),
        actor: Some("a test".to_owned()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

/// An id that no event has.
pub(crate) fn new_event_id() -> EventId {
    EventId(Uuid::now_v7())
}

/// The store, as a service is connected to it.
pub(super) async fn store(world: &World) -> PgEventStore {
    let config = Config {
        events_url: world.fact("MILLRACE_EVENTS_APP_URL").to_owned(),
        events_connections: 1,
        events_acquire_ms_max: 5_000,
    };
    PgEventStore::new(config.connect().await.unwrap())
}

pub(super) async fn codec<E: DomainEvent>(world: &World) -> Codec<E> {
    let registry = wire::RegistryConfig::at(world.fact("MILLRACE_REGISTRY_URL"));
    Codec::prepare(&wire::Registry::new(&registry).unwrap()).await.unwrap()
}

/// An event that every type of aggregate has, as the next of this one.
pub(crate) async fn append_withdrawal<E: DomainEvent>(
    world: &World,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    event_id: EventId,
) {
    let event = E::withdrawn(aggregate_id, now(), "a test".to_owned());
    let place = Place { tenant, aggregate_id, event_id };
    let append = Append {
        aggregate_id,
        aggregate_type: E::AGGREGATE_TYPE.to_owned(),
        expected: Expected::Any,
        events: vec![codec::<E>(world).await.new_event(&place, &event, metadata(), None).unwrap()],
    };
    store(world).await.append(tenant, &[append]).await.unwrap();
}

impl Agent {
    /// An execution that has just started.
    pub(crate) async fn started(world: &World, tenant: &TenantId) -> Self {
        let agent = Self {
            executions: Repository::new(store(world).await, codec(world).await),
            tenant: tenant.clone(),
            id: ExecutionId(Uuid::now_v7()),
            step: 0,
        };
        let start = StartExecution {
            execution_id: agent.id,
            occurred_at: now(),
            workflow_id: None,
            task: "a-task".to_owned(),
            repository: "a-repository".to_owned(),
            model: "a-vendor/a-model".to_owned(),
            agent: "a-program 1".to_owned(),
            prompt_id: None,
            prompt_version: None,
            step_limit: Some(100),
            cost_limit: None,
            requested_by: None,
        };
        agent.tell(start.into(), new_event_id()).await;
        agent
    }

    pub(crate) fn aggregate(&self) -> AggregateId {
        self.id.into()
    }

    /// One answer of the model, stored under an id of the caller's choice; answers its version.
    pub(crate) async fn call(&mut self, id: EventId) -> u64 {
        self.step += 1;
        let call = RecordModelCall {
            execution_id: self.id,
            occurred_at: now(),
            step: self.step,
            prompt_tokens: 1_000,
            completion_tokens: 100,
            reasoning_tokens: 0,
            cached_tokens: 0,
            latency_us: None,
            cost: Some(events::NanoUsd::new(1_500_000)),
            thought_bytes: 42,
        };
        self.tell(call.into(), id).await
    }

    /// The store has lost the last answer: the next one takes its place.
    pub(crate) fn forget_last_call(&mut self) {
        self.step -= 1;
    }

    /// One tool run for the newest answer, stored under an id of the caller's choice; answers its version.
    pub(crate) async fn tool(&self, id: EventId) -> u64 {
        let tool = RecordToolUse {
            execution_id: self.id,
            occurred_at: now(),
            step: self.step,
            tool: Some("ls".to_owned()),
            exit_code: Some(0),
            output_bytes: 512,
        };
        self.tell(tool.into(), id).await
    }

    async fn tell(&self, command: ExecutionCommand, id: EventId) -> u64 {
        let new_id = move || id;
        let context = Context::new(metadata(), &new_id);
        self.executions.execute(&self.tenant, self.aggregate(), command, &context).await.unwrap().version
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
