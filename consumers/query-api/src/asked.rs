//! What a query string asks for.

use std::time::Duration;

use events::{AggregateId, TenantId};
use http_api::problem::Problem;
use http_api::{Parameters, Token, refused};
use projection_postgres::{Comparison, Filter, Kind, Order, Relation, RelationColumn, Selection, Test};

use crate::cursor::Cursor;

/// Rows of a page where nobody says how many.
const ROWS: u32 = 100;

/// Longest wait for a token where nobody says how long.
const WAIT: Duration = Duration::from_secs(1);

/// Most values of one `in`.
const VALUES_MAX: usize = 100;

/// The token that an answer has to be as fresh as, and how long to wait for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtLeast {
    pub(crate) token: Token,
    pub(crate) wait: Duration,
}

/// A page of a relation.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    /// The order as it was asked for.
    pub(crate) sort: String,
    pub(crate) at_least: Option<AtLeast>,
}

/// A stream of changes.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The place that the client has everything up to; `None`: it has nothing yet.
    pub(crate) after: Option<String>,
    /// The only aggregate that it wants to hear of.
    pub(crate) only: Option<AggregateId>,
}

/// The token, for a caller of this tenant.
pub(crate) fn at_least(
    parameters: &mut Parameters,
    tenant: &TenantId,
    wait_max: Duration,
) -> Result<Option<AtLeast>, Problem> {
    let (token, wait) = (parameters.take("token"), parameters.take("wait_ms"));
    let wait = match wait {
        None => WAIT.min(wait_max),
        Some(text) => {
            let most = wait_max.as_millis();
            let asked = text.parse().ok().map(Duration::from_millis).filter(|wait| *wait <= wait_max);
            asked
                .ok_or_else(|| refused("wait_ms", format!("is not a number of milliseconds up to {most}")))?
        }
    };
    let Some(text) = token else { return Ok(None) };
    let token: Token = text.parse().map_err(|error| refused("token", format!("cannot be read: {error}")))?;
    if token.tenant != *tenant {
        return Err(refused("token", "is another tenant's"));
    }
    Ok(Some(AtLeast { token, wait }))
}

/// A stream of changes, from a place on that the header names, or else a parameter: whoever reconnects says the header.
pub(crate) fn stream(
    mut parameters: Parameters,
    last_event_id: Option<&str>,
    is_place: impl Fn(&str) -> bool,
) -> Result<Stream, Problem> {
    let parameter = parameters.take("last_event_id");
    let after = last_event_id.map(str::to_owned).or(parameter).filter(|place| !place.is_empty());
    if after.as_deref().is_some_and(|place| !is_place(place)) {
        return Err(refused("last_event_id", "is not one that a stream of this view sent"));
    }
    let only = parameters.take("id").map(|id| aggregate_id(&id)).transpose()?;
    parameters.done()?;
    Ok(Stream { after, only })
}

/// A number of rows.
pub(crate) fn limit(parameters: &mut Parameters, most: u32) -> Result<u32, Problem> {
    parameters.limit(ROWS, most)
}

/// A page of this relation.
pub(crate) fn page(
    mut parameters: Parameters,
    relation: &Relation,
    tenant: &TenantId,
    rows_max: u32,
    wait_max: Duration,
) -> Result<Asked, Problem> {
    let at_least = at_least(&mut parameters, tenant, wait_max)?;
    let limit = limit(&mut parameters, rows_max)?;
    let sort = parameters.take("sort").unwrap_or_default();
    let order = order(relation, &sort)?;
    let after = parameters.take("cursor").map(|text| place(relation, &text, &sort, &order)).transpose()?;
    let shown =
        parameters.take("fields").map(|text| fields(relation, &text)).transpose()?.unwrap_or_default();
    let filters = parameters.rest().iter();
    let filters = filters.map(|(name, text)| filter(relation, name, text)).collect::<Result<_, _>>()?;
    Ok(Asked { selection: Selection { filters, order, after, limit, shown }, sort, at_least })
}

/// The id of an aggregate.
pub(crate) fn aggregate_id(text: &str) -> Result<AggregateId, Problem> {
    text.parse().map_err(|_| refused("id", "is not a UUID in lower case with hyphens"))
}

fn order(relation: &Relation, sort: &str) -> Result<Vec<Order>, Problem> {
    let mut order: Vec<Order> = Vec::new();
    for name in sort.split(',').filter(|_| !sort.is_empty()) {
        let (descending, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
        let column = comparable(relation, "sort", name)?;
        if order.iter().any(|other| other.column == column.name) {
            return Err(refused("sort", format!("names {name} twice")));
        }
        order.push(Order { column: column.name.clone(), descending });
    }
    Ok(order)
}

fn place(
    relation: &Relation,
    text: &str,
    sort: &str,
    order: &[Order],
) -> Result<Vec<Option<String>>, Problem> {
    let cursor = Cursor::read(text).ok_or_else(|| refused("cursor", "is not one that a page ended with"))?;
    if cursor.sort != sort {
        return Err(refused("cursor", format!("is of a page that is sorted by {:?}", cursor.sort)));
    }
    let further = relation.key().iter().filter(|key| order.iter().all(|order| order.column != **key));
    if cursor.place.len() != order.len() + further.count() {
        return Err(refused("cursor", "is not one that a page of this view ended with"));
    }
    Ok(cursor.place)
}

fn fields(relation: &Relation, text: &str) -> Result<Vec<String>, Problem> {
    let known = |name: &str| column(relation, "fields", name).map(|column| column.name.clone());
    text.split(',').map(known).collect()
}

/// `column=value`, `column.eq|ne|lt|lte|gt|gte=value`, `column.in=value,value`, `column.null=true|false`.
fn filter(relation: &Relation, name: &str, text: &str) -> Result<Filter, Problem> {
    let (column, test) = name.rsplit_once('.').unwrap_or((name, "eq"));
    let Some(column) = relation.column(column) else {
        return Err(refused(name, "is neither a column of this view nor anything else that is known here"));
    };
    if test == "null" {
        let test = Test::Null(text.parse().map_err(|_| refused(name, "is true or false"))?);
        return Ok(Filter { column: column.name.clone(), test });
    }
    if column.kind() == Kind::Other {
        return Err(refused(name, "cannot be compared"));
    }
    let value = |text: &str| match column.reads(text) {
        true => Ok(text.to_owned()),
        false => Err(refused(name, format!("is {}, which {text:?} is not", column.kind().wanted()))),
    };
    let is = |comparison| Ok(Test::Is(comparison, value(text)?));
    let test = match test {
        "eq" => is(Comparison::Equal),
        "ne" => is(Comparison::Unequal),
        "lt" => is(Comparison::Less),
        "lte" => is(Comparison::AtMost),
        "gt" => is(Comparison::Greater),
        "gte" => is(Comparison::AtLeast),
        "in" if text.split(',').count() > VALUES_MAX => {
            Err(refused(name, format!("has more than {VALUES_MAX} values")))
        }
        "in" => text.split(',').map(value).collect::<Result<_, _>>().map(Test::In),
        _ => Err(refused(name, "is no test: eq, ne, lt, lte, gt, gte, in and null are")),
    };
    Ok(Filter { column: column.name.clone(), test: test? })
}

fn comparable<'r>(
    relation: &'r Relation,
    parameter: &str,
    name: &str,
) -> Result<&'r RelationColumn, Problem> {
    let found = column(relation, parameter, name)?;
    if found.kind() == Kind::Other {
        return Err(refused(parameter, format!("names {name}, which cannot be compared")));
    }
    Ok(found)
}

fn column<'r>(relation: &'r Relation, parameter: &str, name: &str) -> Result<&'r RelationColumn, Problem> {
    relation
        .column(name)
        .ok_or_else(|| refused(parameter, format!("names {name:?}, which is no column of this view")))
}
