//! The table of every rule that a file is held to: code, title, and what `explain CODE` prints.
//!
//! E01 the file and its forms · E02 names · E03 types and expressions · E04 wiring · E05 guards and waiting ·
//! E06 executors · E07 files and commands; a W with the same number is a warning of that family.

mod guards;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    pub code: &'static str,
    /// A line: what is wrong where this rule speaks.
    pub title: &'static str,
    /// What `explain` prints: why, an example, the remedy.
    pub explain: &'static str,
}

pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.code.eq_ignore_ascii_case(code))
}

pub static RULES: &[Rule] = &[
    Rule {
        code: "E0101",
        title: "the file is not valid YAML",
        explain: r#"The file could not be read as YAML, so nothing of it is known. The place is where the reader gave up; the cause often
stands in the line before: an indentation that does not fit, a missing `:`, a quote or bracket that is not closed.

    stages
      read:            # wrong: `stages` wants a `:`

A file is one document, indented with blanks, in UTF-8. A text that contains `: `, ` #` or begins with one of
`[]{}*&!|>%@'"` and a backquote wants quotes."#,
    },
    Rule {
        code: "E0102",
        title: "a key stands twice in one mapping",
        explain: "Two equal keys in one mapping would mean that one of them is silently ignored. Which one was meant?

    read:
      threads: 2
      threads: 4         # wrong

Keep one of them. What several stages have in common can stand once, under a key that begins with `x-`, and be merged
with `<<: *name`; a mapping's own keys win over merged ones.",
    },
    Rule {
        code: "E0103",
        title: "an unknown key",
        explain: "A key that nobody knows would have no effect, so it is refused. Mostly it is a slip of the finger, or the word that
another tool uses: stages are `stages:`, not `jobs:`; a stage reads `from:`, not `inputs:`; its steps stand under `do:`.

    read:
      form: log          # wrong: from

Keys at the top of the file that begin with `x-` are ignored; they are a place for anchors and for other programs.",
    },
    Rule {
        code: "E0104",
        title: "part of the language, but not built yet",
        explain: "The word belongs to the language, but this version cannot do it. It is refused instead of ignored, so that a file
never means less than it says.

Leave it out, or take a newer version. `millstream schema` prints what this one knows.",
    },
    Rule {
        code: "E0105",
        title: "a value of the wrong form",
        explain: "The key is right, but its value is not of the form that it takes: a list instead of one text, a text instead of a
number, a duration without its unit.

    threads: four        # wrong: a whole number, or `auto`
    timeout: 10          # wrong: 10s
    ordered: yes         # wrong: in YAML 1.2 only true and false are bools

The message says what may stand there.",
    },
    Rule {
        code: "E0106",
        title: "a required key is missing",
        explain: "Something that the file cannot do without is not there: `stages` at the top, `do` in a stage, the step key of a step,
an option of a step.

    stages:
      read: {threads: 2}   # wrong: it has no `do`

Add it.",
    },
    Rule {
        code: "E0107",
        title: "the file is too large, too deep, or expands too far",
        explain: "A pipeline file may have 1 MiB, 64 levels of nesting, 10,000 aliases, and 100,000 values after all aliases are
expanded. No pipeline written by hand comes near; a file that would fill the memory by naming its own parts over and
over is refused before that happens.

Keep data in files of their own and read them with a `read` step.",
    },
    Rule {
        code: "E0108",
        title: "YAML read an expression or a template as something else",
        explain: r#"YAML gives some characters a meaning of its own before we see the text: `{path}` is a mapping with the key `path`,
`!done` a tag, `a ? b : c` a mapping with the key `a ? b`, and within `{}` and `[]` a comma ends a value.

    exec: [cp, {path}, out]           # wrong
    exec: [cp, "{path}", out]
    filter: !done                     # wrong
    filter: "!done"
    map: {both: join(x, y)}           # wrong
    map: {both: "join(x, y)"}

Put the expression or template into quotes, of either kind. Between single quotes a backslash is only a backslash."#,
    },
    Rule {
        code: "W0101",
        title: "a number that looks octal",
        explain: r#"In YAML 1.1 and in C a number that begins with 0 is octal; in YAML 1.2 it is decimal: 0644 is 644.

    mode: 0644           # the number 644
    mode: 0o644          # the number 420
    mode: "0644"         # the text

Write what you mean."#,
    },
    Rule {
        code: "E0201",
        title: "an unknown name",
        explain: "A name stands where a stage, a pipe, a queue, a type, a guard or a parameter is wanted, but nothing in the file has it.

    count:
      from: raed         # wrong: did you mean `read`?

Correct the name, or declare what it names. Names are case-sensitive.",
    },
    Rule {
        code: "E0202",
        title: "a name that is taken",
        explain: "Stages, pipes and queues share one set of names, because `from` and `to` may name any of them; so do the guards; so do
values and arrays. Fields of one record differ, too.

    pipes: {read: string}
    stages:
      read: ...          # wrong: is `from: read` the pipe or the stage?

Rename one of them.",
    },
    Rule {
        code: "E0203",
        title: "an unknown step",
        explain: "The key of a step is its name, and there is no step of this name.

    do:
      - fliter: status >= 500     # wrong: filter

`millstream steps` lists all steps, `millstream steps NAME` shows one.",
    },
    Rule {
        code: "E0204",
        title: "a parameter without a value",
        explain: "A parameter without a default must be given to `run` and `test`; an environment variable that is put in with
`${env.NAME}` must be set. (`validate` and `graph` take them as any value of their type.)

    params:
      log: {type: path}

    millstream run count.yaml --set log=access.log
    MILLSTREAM_PARAM_LOG=access.log millstream run count.yaml

Give it a value, or write a default into the file: `default:` of the parameter, `${env.NAME:-text}`.",
    },
    Rule {
        code: "W0201",
        title: "a default that is the name of a type",
        explain: r#"The short form of a parameter is its default, so `workers: int` is a parameter whose default is the text "int".

    params:
      workers: int             # the text "int"
      workers: {type: int}     # a whole number, to be given

Write the long form if the type was meant; put the text into the long form's `default` together with `type: string` if
it was not."#,
    },
    Rule {
        code: "E0301",
        title: "an expression that cannot be read",
        explain: "Expressions are CEL. This one breaks its grammar: a parenthesis or a quote that is not closed, `=` instead of `==`,
`and` instead of `&&`, a `${}`.

    filter: status = 500          # wrong: status == 500
    filter: a and not b           # wrong: a && !b
    filter: status >= ${limit}    # wrong: status >= params.limit

In an expression a parameter is `params.name`; `${}` would paste its text into the program.",
    },
    Rule {
        code: "E0302",
        title: "an unknown field",
        explain: r#"The type of the item is known at this step, and it has no field of this name. It may be a slip of the finger, or a
field that an earlier `map` or `keep` has left out.

    - map: {path: path}
    - filter: status >= 500       # wrong: `status` is gone

Correct the name, or keep the field. A record that may have more fields than are declared has `"*": any` in its type."#,
    },
    Rule {
        code: "E0303",
        title: "an expression of the wrong type",
        explain: r#"Every expression is checked against the type of the item before anything runs. This one combines values that do not go
together, or gives a type that the step cannot use.

    filter: size                  # wrong: a condition is a bool: size > 0
    map: price * 2                # wrong where price is a double: price * 2.0
    map: '"n " + n'               # wrong where n is an int: "n " + string(n)

CEL never converts by itself; int(), double(), string() and timestamp() do."#,
    },
    Rule {
        code: "E0304",
        title: "an item of the wrong type",
        explain: "What flows here is not of the type that is wanted: a step works on records and gets texts, or a connection is declared
to carry another type than its writer gives.

    - read: access.log            # texts
    - keep: [path]                # wrong: a text has no fields; first `parse: combined`

Add the step that makes the type, or correct the declaration. `as:` on a step converts texts.",
    },
    Rule {
        code: "E0305",
        title: "an unknown function",
        explain: "There is no function of this name, or none that takes these arguments. Functions are those of CEL with its strings and
math extensions, and a few of our own (host, urljoin, stem, hash, json ...).

    map: len(item)                # wrong: item.size(), or size(item)
    map: item.lower()             # wrong: item.lowerAscii()

The reference lists them all.",
    },
    Rule {
        code: "E0306",
        title: "a type that contains itself",
        explain: "A type is expanded where it is named, so one that contains itself would never end.

    types:
      Node: {value: int, next: Node}     # wrong

Write `any` where it repeats; what is in there is then looked at when it runs.",
    },
    Rule {
        code: "W0301",
        title: "a null may come where a value is needed",
        explain: r#"A field of type `T?` may be used where a `T` is needed, but if it is null then, that is an error of the item.

    filter: agent.contains("bot")                    # warns: agent is a string?
    filter: agent != null && agent.contains("bot")   # no warning
    map: {agent: 'agent != null ? agent : "-"'}      # no warning

Ask first, as shown; or leave it, where a null is an error to you too."#,
    },
    Rule {
        code: "W0302",
        title: "a comment that looks like a division",
        explain: "In an expression `//` begins a comment, as in C. Who comes from Python may mean a division, and would get the number
undivided.

    map: {kb: bytes // 1024}      # warns: this is `bytes`
    map: {kb: bytes / 1024}       # ints are divided without a rest

A comment of one word stands better on a line of its own.",
    },
    Rule {
        code: "E0401",
        title: "a pipe with two ends on one side",
        explain: "A pipe connects exactly one writing and one reading stage. With two readers, who gets an item would be chance; with two
writers, its order would be.

    pipes: {hits: Hit}
    ... two stages with `from: hits`     # wrong

Declare it under `queues`: a queue has any number of writers and readers, and its readers share the items. If every
reader should see every item, let them name the stage in `from` instead.",
    },
    Rule {
        code: "E0402",
        title: "a connection that is written and never read",
        explain: "A connection holds a bounded number of items. Without a reader it fills up, and its writers wait for ever.

    to: [urls]           # and no stage has `from: urls`

Let a stage read it, or take it out.",
    },
    Rule {
        code: "E0403",
        title: "a connection that is read and never written",
        explain: "Nothing would ever come out of it.

    from: urls           # and no stage has `to: urls`

Let a stage write it, or correct the name.",
    },
    Rule {
        code: "E0404",
        title: "a stage without a source",
        explain: "A stage takes its items from others (`from`), or it begins with a source: a step that makes items by itself.

    count:
      do:
        - filter: status >= 500      # wrong: of what?

Say where the items come from, or begin with `read`, `files`, `range` or `items`.",
    },
    Rule {
        code: "E0405",
        title: "a loop without a feedback queue",
        explain: "A stage would read, directly or through others, what it writes. With bounded connections such a loop stops as soon as
it is full, and nobody could say when it is finished.

    a: {from: b, ...}
    b: {from: a, ...}    # wrong

A loop (a crawler that finds new pages) passes through a queue with `feedback: true`: it spills instead of blocking, and
the run ends when nothing in the loop is unfinished.",
    },
    Rule {
        code: "E0406",
        title: "two stages write the same file",
        explain: "Two writers of one file would overwrite each other, or mix their lines.

    a: {do: [..., write: out.json]}
    b: {do: [..., write: out.json]}      # wrong

Let both write to one stage that has the `write` step, or give them files of their own.",
    },
    Rule {
        code: "E0407",
        title: "a step in a place where it cannot stand",
        explain: "A source makes items and stands first, in a stage without `from`; steps with a memory see all items of their stage and
may not stand where only some of them come by.

Move the step, or split the stage in two.",
    },
    Rule {
        code: "E0408",
        title: "a connection that one stage names twice",
        explain: "A stage holds each end of a connection once; named twice it would get, or give, every item twice.

    from: [read, read]   # wrong

Take one of them out.",
    },
    Rule {
        code: "E0409",
        title: "an order that says too little, or a loop that would stop",
        explain: "`order: priority` takes the item with the lowest number first, so it needs `by`, an expression that gives the
number; without that order `by` means nothing. A feedback queue closes a loop, and a loop whose queue makes its writers
wait stops as soon as the queue is full.

    urls: {order: priority, max: 1000}               # by what?
    urls: {order: priority, by: depth, max: 1000}    # the lowest depth first

Write `by` beside `order: priority`; leave out `full: block` beside `feedback: true` (such a queue spills to disk).",
    },
    Rule {
        code: "E0501",
        title: "a stage that waits for its own end",
        explain: guards::E0501,
    },
    Rule {
        code: "W0401",
        title: "an output that nobody reads",
        explain: "The stage's items go nowhere: no stage names it in `from`, it has no `to`, and its last step is no sink. Its work is
lost when it has been done.

End the stage with a `write` or `print`, let another stage read it, or take it out.",
    },
    Rule {
        code: "W0402",
        title: "something that is declared and not used",
        explain: "A pipe, queue or type that nothing names has no effect. It may be left over, or what should name it is mistyped.

Use it, or take it out.",
    },
    Rule {
        code: "W0403",
        title: "a routing `to` without `else`",
        explain: "Each item goes to the first connection whose condition holds. One for which none holds is dropped and counted; that
may be what is meant, or a case that was forgotten.

    to: {errors: status >= 500, slow: ms > 1000}
    to: {errors: status >= 500, slow: ms > 1000, rest: else}

Add a connection with `else` for the rest. What is meant to end there can be taken out by a `filter` before.",
    },
    Rule {
        code: "W0404",
        title: "order that is kept, and attempts that take their time",
        explain: "A stage with `ordered: true` gives its results out in the order of its input. While one item waits for its next
attempt, the results behind it wait too, and when the window is full its workers.

Leave `ordered` out or say `ordered: false` where the order does not matter; or make the waits of `retry` short.",
    },
    Rule {
        code: "E0502",
        title: "a guard, value or array used as what it is not",
        explain: guards::E0502,
    },
    Rule {
        code: "E0503",
        title: "more permits than there are",
        explain: guards::E0503,
    },
    Rule {
        code: "E0504",
        title: "a lock that is taken again by who holds it",
        explain: guards::E0504,
    },
    Rule {
        code: "E0505",
        title: "a wait for what nobody brings",
        explain: guards::E0505,
    },
    Rule {
        code: "E0506",
        title: "a barrier for more workers than can arrive",
        explain: guards::E0506,
    },
    Rule {
        code: "E0507",
        title: "waits that wait for each other",
        explain: guards::E0507,
    },
    Rule {
        code: "E0508",
        title: "more than one of what runs share",
        explain: guards::E0508,
    },
    Rule {
        code: "E0509",
        title: "a limit inside a block that holds a guard",
        explain: guards::E0509,
    },
    Rule {
        code: "W0405",
        title: "an item that may wait for ever",
        explain: "In a queue with `order: lifo` or `priority`, who comes later may go first. Behind a source that never ends (a file
that is followed), somebody may always come later, and an item at the end of the line never have its turn.

    recent: {order: lifo, max: 100}      # behind `read: {path: app.log, follow: true}`

Take `order: fifo`, or let the queue drop what is too old: `full: drop_oldest`.",
    },
    Rule {
        code: "W0501",
        title: "a reader that starts only after its writer has ended",
        explain: guards::W0501,
    },
    Rule {
        code: "W0502",
        title: "a guard that nothing uses",
        explain: guards::W0502,
    },
    Rule {
        code: "W0503",
        title: "a wait that only its timeout ends",
        explain: guards::W0503,
    },
    Rule {
        code: "W0504",
        title: "guards that are taken in different orders",
        explain: guards::W0504,
    },
    Rule {
        code: "W0505",
        title: "a wait under a guard that is needed to end it",
        explain: guards::W0505,
    },
    Rule {
        code: "W0506",
        title: "a wait that is ended only behind it",
        explain: guards::W0506,
    },
    Rule {
        code: "W0507",
        title: "a condition that nobody notifies",
        explain: guards::W0507,
    },
    Rule {
        code: "W0508",
        title: "a wait that may hold up what is to end it",
        explain: guards::W0508,
    },
    Rule {
        code: "W0509",
        title: "items that are left over at a barrier",
        explain: guards::W0509,
    },
    Rule {
        code: "E0601",
        title: "a step that starts programs, without `processes`",
        explain: "`exec`, `shell`, `worker` and `python` start programs of their own. How many run at once is said with `processes`;
`threads` and `tasks` are for the work that this program does itself.

    resize:
      threads: 4               # wrong: `processes: 4`
      do:
        - exec: [convert, '{path}', out.png]

The other steps of the stage run around the programs in as many threads. Without an executor such a stage has
`processes: auto`, as many as there are CPUs.",
    },
    Rule {
        code: "E0602",
        title: "two long-lived programs in one stage",
        explain: "The processes of a stage are those of its `worker` or `python` step, so it may have one of them; it may have any number
of `exec` and `shell`, which start a process for each item.

    do:
      - python: tasks.py:parse
      - python: tasks.py:score     # wrong: in a stage of its own, `from` this one

Or let one function call the other.",
    },
    Rule {
        code: "E0701",
        title: "a quote that is not closed",
        explain: r#"A command in one line is split as a shell would split it: at blanks, with quotes around what belongs together.

    exec: grep -c "a b {path}        # wrong: the quote is open

Close it, or write the command as a list, which is not split: `exec: [grep, -c, a b, '{path}']`. A quote that is
meant as it is stands behind a backslash."#,
    },
    Rule {
        code: "E0703",
        title: "a Python function that is not there",
        explain: "`python` names a function with the file that it is in, which is looked for beside the pipeline file, or with its
module, which is looked for there too and in the interpreter's path.

    python: tasks.py:parse
    python: shop.prices:parse

Whether the file has the function is seen when the first process starts.",
    },
    Rule {
        code: "E0702",
        title: "a template inside double quotes",
        explain: r#"In a text for the shell each `{expression}` becomes one quoted word, so that no value can become code. Inside double
quotes it would end them.

    shell: 'echo "name: {name}"'      # wrong
    shell: 'echo "name: "{name}'

Write it outside of the quotes. Braces that are the shell's own are written `{{` and `}}`, or stand in single quotes."#,
    },
    Rule {
        code: "W0601",
        title: "processes of a stage that starts no program",
        explain: "Nothing in the stage starts a program (`exec`, `shell`, `worker`, `python`), so its steps run in threads of this
program, as many as are written.

Write `threads`.",
    },
    Rule {
        code: "W0701",
        title: "rows that are read as lines",
        explain: "The name of the file says that there are rows of separated values in it, but `read` gives lines, as
it does for every file unless it is told otherwise. So the header is an item too, and a row that goes over several lines
becomes several items.

    - read: people.csv                           # lines
    - read: {path: people.csv, format: csv}      # rows

Where lines are meant, say so with `format: lines`.",
    },
];
