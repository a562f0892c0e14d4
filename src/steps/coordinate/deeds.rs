//! What a step does with guards, values and queues, as it is written: for the proofs before a run, which must
//! see it also in a file whose types are wrong.

use super::named_in;
use crate::expr::Env;
use crate::spec::{Key, Node};

/// One thing that a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    WaitEvent(Key),
    SetEvent(Key),
    ClearEvent(Key),
    /// `notify` or `notify_all`.
    Notify(Key),
    WaitBarrier(Key),
    /// `add` or `store`: a value's name, or an array's (`true`).
    Change(Key, bool),
    Put(Key),
    Ask(Key),
    /// Code of the user, which may take what the file declares.
    UserCode,
}

/// What the step of this name does, in order; nothing where its options are wrong, which is said elsewhere.
pub fn deeds(step: &str, node: &Node) -> Vec<Deed> {
    match step {
        "wait_event" => one(node, "event", Deed::WaitEvent),
        "set_event" => one(node, "event", Deed::SetEvent),
        "clear_event" => one(node, "event", Deed::ClearEvent),
        "notify" | "notify_all" => one(node, "condition", Deed::Notify),
        "wait_barrier" => one(node, "barrier", Deed::WaitBarrier),
        "ask" => one(node, "pipe", Deed::Ask),
        "add" | "store" => keys(node).map(|key| change(&key)).collect(),
        "put" => keys(node).map(Deed::Put).collect(),
        "python" | "worker" => vec![Deed::UserCode],
        _ => Vec::new(),
    }
}

/// The one name of a step, in short form or long.
fn one(node: &Node, option: &str, deed: fn(Key) -> Deed) -> Vec<Deed> {
    let named = match node.as_map() {
        Some(_) => node.get(option),
        None => Some(node),
    };
    let name = named.and_then(|n| {
        Some(Key {
            text: n.as_str()?.to_owned(),
            at: n.at,
        })
    });
    name.map(deed).into_iter().collect()
}

fn keys(node: &Node) -> impl Iterator<Item = Key> {
    node.as_map()
        .unwrap_or_default()
        .iter()
        .map(|(k, _)| k.clone())
}

/// `total`, or `histogram[status / 100]`.
fn change(key: &Key) -> Deed {
    let (name, array) = match key.text.split_once('[') {
        Some((name, _)) => (name.trim_end(), true),
        None => (&*key.text, false),
    };
    let key = Key {
        text: name.to_owned(),
        at: key.at,
    };
    Deed::Change(key, array)
}

/// The values and arrays (`true`) that an expression names, by their numbers.
pub fn watched(text: &str, env: &Env) -> Vec<(bool, u32)> {
    named_in(text, env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::At;
    use crate::spec::{Scalar, Value};

    fn text(text: &str) -> Node {
        let text = text.to_owned();
        Node::new(
            Value::Scalar(Scalar::String { text, plain: true }),
            At::default(),
        )
    }

    fn key(text: &str) -> Key {
        Key {
            text: text.into(),
            at: At::default(),
        }
    }

    #[test]
    fn both_forms_of_a_step_do_the_same() {
        let long = Node::new(Value::Map(vec![(key("event"), text("go"))]), At::default());
        let done = vec![Deed::WaitEvent(key("go"))];
        assert_eq!(deeds("wait_event", &text("go")), done);
        assert_eq!(deeds("wait_event", &long), done);
    }

    #[test]
    fn what_is_added_to_is_named_without_its_index() {
        let node = Node::new(
            Value::Map(vec![
                (key("total"), text("1")),
                (key("ends[item % 10]"), text("1")),
            ]),
            At::default(),
        );
        let change = |name, array| Deed::Change(key(name), array);
        assert_eq!(
            deeds("add", &node),
            [change("total", false), change("ends", true)]
        );
    }

    #[test]
    fn wrong_options_do_nothing() {
        let node = Node::new(Value::Scalar(Scalar::Int(3)), At::default());
        assert_eq!(deeds("wait_event", &node), []);
        assert_eq!(deeds("put", &node), []);
        assert_eq!(deeds("filter", &text("true")), []);
    }
}
