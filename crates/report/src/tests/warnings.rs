//! What a reader must know before believing the tables.

use super::analysis::{arm, run};
use crate::evidence::warnings;
use crate::series::Series;

/// Every warning about a set of runs and the indicators scored on them.
fn all_warnings<'a>(runs: &[Series], indicators: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found = warnings::few_seeds(runs);
    found.extend(warnings::identical_arms(runs));
    for indicator in indicators {
        found.extend(warnings::undefined_indicator(runs, indicator));
        found.extend(warnings::constant_indicator(runs, indicator));
    }
    found
}

#[test]
fn warnings_name_what_a_reader_must_know() {
    let columns = |x: Vec<f64>| vec![("x", x), ("online_accuracy", vec![0.9, 0.5])];
    let runs = [
        run(arm("relu", "constant"), 0, &columns(vec![1.0, 1.0])),
        run(arm("relu", "constant"), 1, &columns(vec![1.0, 1.0])),
        run(arm("relu", "cosine"), 0, &columns(vec![1.0, 1.0])),
        // The same accuracies, and another number elsewhere.
        run(arm("relu", "paper"), 0, &columns(vec![1.0, f64::NAN])),
    ];
    let texts = all_warnings(&runs, ["x", "online_accuracy"]);
    assert_eq!(
        texts,
        [
            "1 seed: there is no interval over seeds for relu/cosine, relu/paper.",
            "2 seeds, fewer than 5: the intervals of relu/constant span at most the range of its seeds, and cover about 50 % \
             instead of 95 %.",
            "relu/constant and relu/cosine have the same numbers in every column on all seeds they share: they are the same run.",
            "x is undefined at 1 of 8 tasks (12.5 %).",
            "x is 1 at every task of every run: it can foretell nothing.",
        ]
    );
    let absent = "y is undefined at all 8 tasks: it is not measured with these options.";
    assert_eq!(warnings::undefined_indicator(&runs, "y").as_deref(), Some(absent));
    assert!(warnings::few_seeds(&runs[..2])[0].contains("of every arm span"));
}

#[test]
fn of_hundreds_of_arms_a_dozen_are_named() {
    let columns = vec![("online_accuracy", vec![0.9, 0.5])];
    let two_seeds = (0..2).map(|seed| run(arm("relu", "constant"), seed, &columns));
    let of_one = (100..400).map(|other| run(arm("relu", &format!("s{other}")), 0, &columns));
    let runs: Vec<Series> = two_seeds.chain(of_one).collect();
    let names: Vec<String> = (100..112).map(|other| format!("relu/s{other}")).collect();
    let few = warnings::few_seeds(&runs);
    assert_eq!(few[0], format!("1 seed: there is no interval over seeds for {} and 288 more.", names.join(", ")));
    let same = warnings::identical_arms(&runs);
    assert!(same.len() == 1 && same[0].contains("relu/s110 and 289 more have the same numbers"), "{same:?}");
}
