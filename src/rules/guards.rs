//! What `explain` tells of guards and waiting: the texts of the family E05.

pub(super) const E0501: &str = "`after` starts a stage when others have ended. Directly or around, through other stages and through the connections
between them, a stage must not wait for itself: neither would ever start.

    build: {after: test, ...}
    test: {after: build, ...}     # wrong

A reader ends after its writers; so a stage cannot start after one that reads what it writes. Take one of them out.";

pub(super) const E0502: &str = r#"Locks, semaphores and conditions are held (`with`); events and barriers have steps of their own (`wait_event`,
`set_event`, `wait_barrier`); conditions are notified, too.

    events: [go]
    do:
      - with: go                 # wrong: `wait_event: go`

    - with: stock
      until: values.stock > 0    # needs a condition: `conditions: [stock]`

A value is changed by its name, an array element by element: `add: {total: 1, "histogram[3]": 1}`."#;

pub(super) const E0503: &str = "Whoever waits for more permits than a semaphore has waits for ever. What is held around counts too: who
holds two and waits for two more of three waits for himself.

    semaphores: {db: 3}
    do:
      - with: {db: 4}          # wrong
      - with: {db: 2}
        do:
          - with: {db: 2}      # wrong

Want fewer, declare more, or take what is needed at once, on the outer block.";

pub(super) const E0504: &str = "A lock is not re-entrant: who holds it and takes it again waits for himself. So does who holds an rwlock for
reading and wants to write, or holds it for writing and takes it once more; a condition's own lock is one, too.

    locks: {tree: lock}
    do:
      - with: tree
        do:
          - with: tree         # wrong
            print: '{}'

Take the inner one out. Where a block stands sometimes within another and sometimes alone, declare an rlock:
`locks: {tree: rlock}`; its holder may take it again.";

pub(super) const E0505: &str = r"A stage waits for an event that is clear at first and that no stage sets, or under a condition for something that
does not hold at first and that nothing can change: no stage changes a value that it names.

    events: [go]
    do:
      - wait_event: go                   # wrong where no stage has `set_event: go`
      - with: stock
        until: values.stock > 0          # wrong where no stage has `add: {stock: ...}` or `store`

Add the step that brings it. User code (`python`, `worker`) that sets or notifies says so: `sets: [go]` beside its
stage's `do`. An event that is to be set from the start is declared `{initial: set}`.";

pub(super) const E0506: &str = "A barrier opens when so many workers wait at it at once. Counted are the workers of all stages that come to it;
of a stage whose items are too few, only so many; of stages of which one starts after the other has ended, not both;
within a lock, only the one that holds it.

    barriers: {start: 4}
    work: {from: read, threads: 2, do: [{wait_barrier: start}, ...]}     # wrong: two

Lower the number, or give the stage more threads.";

pub(super) const E0507: &str = r"Somebody waits here for what can only come when he has gone on: an event that is set by a stage which starts after
this one has ended, or which first waits for something that only this one brings; a barrier whose other parties come
from behind it.

    events: [ready, go]
    a: {from: read, do: [{wait_event: go}, {set_event: ready}]}
    b: {from: read, do: [{wait_event: ready}, {set_event: go}]}          # wrong: each waits for the other

The message shows the chain, place by place. Take one of the waits out, or move what ends it in front of it. Within
an `if`, or under a `timeout`, it is a warning: the place may never be reached, or be left.";

pub(super) const E0508: &str = "Guards with `scope: machine` are shared by all runs of the user on this machine, and there is no order among runs:
two files could take the same two in different orders, and nobody would see that they wait for each other. So one permit
of one such guard may be held at a time.

    locks: {deploy: {kind: lock, scope: machine}, backup: {kind: lock, scope: machine}}
    do:
      - with: [deploy, backup]     # wrong

Take them one after the other, or have one guard for both.";

pub(super) const E0509: &str = r"An item that must wait for a limit waits aside: it occupies no worker, and it holds nothing that others want. So a
limit is taken first, before all guards, and cannot be taken by who holds one.

    - with: printer
      do:
        - fetch: '{url}'
          with: web            # wrong: it would hold the printer while it waits
    - with: [web, printer]     # right: both at once, the limit first
      fetch: '{url}'

Name both in one `with`, in whatever order, or take the limit around the block that holds the guard.";

pub(super) const W0501: &str = "The connection between them holds what is written until then. If that is more than `max` items (or `max_bytes`), the
writer waits for room, and the reader waits for the writer's end: neither goes on.

    count: {from: hits, after: parse, ...}     # parse writes hits

Without `after` a reader takes what there is as it comes, and ends when its writers have ended. Where it really must
start later, give the connection a `max` that takes everything.";

pub(super) const W0502: &str = "It is declared, but no `with` and no step names it. Perhaps a step was forgotten that should hold it, set it or wait
for it.

Use it, or take it out.";

pub(super) const W0503: &str = "Without the `timeout` this would be an error: who comes to this place waits for something that can never come. So
each item that comes here loses the time of the timeout and then fails. The message says what is waited for and why it
cannot come.

    - wait_event: go           # nothing sets it
      timeout: 5s

Let something end the wait; or, where a pause is meant, write `sleep: 5s`.";

pub(super) const W0504: &str = r"One worker holds the first and waits for the second, another holds the second and waits for the first: neither goes on.
It happens when both come so far at the same time, perhaps only once in a thousand runs.

    left: {do: [{with: a, do: [{with: b, print: '{}'}]}], ...}
    right: {do: [{with: b, do: [{with: a, print: '{}'}]}], ...}          # warns

Take them as one set, `with: [a, b]`: a set is always taken in the order of the declarations. Or nest them in one order
everywhere. Nothing is said where one common outer lock lets only one of them in, where one worker does both, and where
one stage starts after the other has ended. A run that comes to it ends with exit code 3 and says who held what.";

pub(super) const W0505: &str = "A guard is held while something is waited for: room in a queue, an event, a condition, a barrier. Whoever must act
before that wait can end needs the same guard. It comes true when the queue is full, or the event is not set yet.

    - with: table
      do:
        - put: {rows: item}              # warns where a reader of `rows` has `with: table`

Put, and wait, outside of the block; or let the queue take what comes: a larger `max`, or `full: spill`.";

pub(super) const W0506: &str = r"All that could end this wait (`set_event`, a change of the value) stands behind it: in a stage that reads what this one
lets through. If the first item that comes must wait, nothing comes further, and nothing ends the wait. It does no harm
only where the items before those that wait have ended it.

    a: {from: read, do: [{wait_event: go}]}
    b: {from: a, do: [{set_event: go}]}                # warns

Let another stage end the wait, or let it be ended from the start: `events: {go: {initial: set}}`. It is the same with
an event that is set at first, cleared by some stage, and never set again.";

pub(super) const W0507: &str = r"What is waited for hangs on the item, on the time or on how full a queue is; no stage notifies the condition, and no
stage changes a value that is named. Where it does not hold at once, nobody ever looks again.

    - with: stock
      until: queues.orders.size > 10     # warns where no stage has `notify: stock`

Notify where it becomes true, or let it name a value that is changed. To let only fitting items go on, write `filter`.";

pub(super) const W0508: &str = "While a stage waits it reads nothing. When its input is full, its writers wait too, and with them whoever reads
from those writers: also the stage that would have ended the wait. It comes true when more is written than the
connection in front of the wait holds.

    a: {from: read, do: [{wait_event: sorted}, ...]}
    b: {from: read, do: [{sort: item}, {set_event: sorted}]}     # warns: `sort` gives out when `read` has ended

Give the connection in front of the wait a `max` that takes everything, or let the wait be ended by a stage that
does not hang on the same writers.";

pub(super) const W0509: &str = "Each item that comes to `wait_barrier` waits there until as many others have come as the barrier takes. The file says
how many items there are, and the number is no multiple of that: the last ones wait for others that never come.

    barriers: {pair: 2}
    - range: 5
    - wait_barrier: pair       # warns: the fifth has no partner

Let a number of items come that the parties divide; or let only the first of each worker wait there, with `if`.";
