//! What `template.yaml` and `observability.yaml` repeat of the code, held against the code.

use std::collections::BTreeSet;
use std::fs;

use messaging::Queues;

/// The two files, by name.
fn files() -> [(&'static str, String); 2] {
    ["template.yaml", "observability.yaml"].map(|name| {
        let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
        (name, fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    })
}

fn contexts() -> impl Iterator<Item = &'static str> {
    catalog::CONTEXTS.iter().map(|context| context.name)
}

/// SAM packages functions only in a loop over a list that is written out, so each loop has its own.
#[test]
fn every_loop_over_contexts_names_those_of_the_catalog() {
    let expected = format!("- [{}]", contexts().collect::<Vec<_>>().join(", "));
    for (name, text) in files() {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let loops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == "- Context").collect();
        assert!(loops.len() >= 2, "{name} has {} loops over contexts", loops.len());
        for at in loops {
            assert_eq!(lines[at + 1], expected, "{name}, line {}", at + 2);
        }
    }
}

/// Functions know queues by name, so the template must call them what the code does.
#[test]
fn the_template_has_the_queues_that_the_code_knows() {
    let [(_, template), _] = files();
    let names: BTreeSet<String> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("QueueName: !Sub \"${AWS::StackName}-"))
        .flat_map(|name| contexts().map(|context| name.trim_end_matches('"').replace("${Context}", context)))
        .collect();
    for pair in Queues::new("").pairs(contexts()) {
        for queue in [pair.queue_url, pair.dead_letters_url] {
            assert!(names.contains(&queue), "template.yaml has no queue {queue}, only {names:?}");
        }
    }
}
