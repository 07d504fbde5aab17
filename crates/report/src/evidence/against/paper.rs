//! What a paper reports, as numbers in a file: read strictly, and refused in one sentence. The book's page on the report describes
//! the format.

use std::fs;
use std::path::Path;

use serde_json::Value;
use trainability_record::Glossary;
use trainability_record::label::nearest;

use crate::evidence::against::place::JsonPlace;
use crate::refusal::{Refusal, demand, refuse};

/// The papers whose numbers come with the program, by the name that `--against` takes.
const KNOWN: [(&str, &str); 1] = [("paper", include_str!("../../../papers/noise_curvature.json"))];

/// The most bytes of a file: some ten thousand values.
const MOST_BYTES: u64 = 4 << 20;

/// What a paper reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paper {
    /// The file, or the name that stands for one that comes with the program.
    file: String,
    /// What it is called in tables.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Where the numbers are from.
    pub source: String,
    /// The seeds that its values are means over.
    pub seeds: usize,
    /// The options of its runs, by path.
    pub setting: Vec<(String, Value)>,
    /// What it reports.
    pub reports: Vec<Reported>,
}

/// One quantity of one arm, at several moments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reported {
    /// The figure or table of the paper.
    pub from: String,
    /// A column of `tasks.csv`, or with a layer, one of `controls.csv` or a count of decisions.
    pub quantity: String,
    /// The layer, for what is measured layer by layer.
    pub layer: Option<String>,
    /// The parts of the method with the options that matter, without `reset` and `relu`.
    pub method: Vec<(String, Vec<(String, Value)>)>,
    /// `constant`, `reset`, or another schedule's name.
    pub schedule: String,
    /// The schedule's options that matter.
    pub schedule_options: Vec<(String, Value)>,
    /// The base learning rate.
    pub learning_rate: f64,
    /// Options without which the value says nothing of a run, by path.
    pub setting: Vec<(String, Value)>,
    /// The moments with the values.
    pub values: Vec<(ReportedAt, f64)>,
    /// How far a value may be from the paper's own, for it was read off a figure or rounded.
    pub reading_error: f64,
    /// What else is to be known of it.
    pub note: String,
}

/// When in a run a value is taken. Tasks are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedAt {
    /// The value of a task.
    Task(usize),
    /// What the measured updates of some tasks, both ends included, come to.
    Updates(Over, usize, usize),
    /// The measured update of this number, counted from 1 over the whole run.
    Event(usize),
    /// The whole run.
    Run,
}

/// What the measured updates of some tasks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The median over the first fiftieth of the first task's.
    Begin,
    /// The median over the last fiftieth of the last task's.
    End,
    /// The lowest.
    Lowest,
    /// The highest.
    Highest,
    /// The mean.
    Mean,
}

impl Over {
    const ALL: [(&str, Over); 5] = [
        ("begin", Over::Begin),
        ("end", Over::End),
        ("lowest", Over::Lowest),
        ("highest", Over::Highest),
        ("mean", Over::Mean),
    ];

    /// As files name it.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, over)| *over == self).map_or("", |(name, _)| name)
    }
}

/// The columns of `tasks.csv` that are no indicators.
const OUTCOMES: [&str; 3] = ["final_accuracy", "final_loss", "test_accuracy"];
/// What a layer has beside its bounds.
const OF_LAYERS: [&str; 4] = ["learning_rate", "effective_step", "cooled", "warmed"];
/// What of that is counted over a whole run.
const COUNTS: [&str; 2] = ["cooled", "warmed"];

impl Paper {
    /// Reads the numbers of a paper: `paper`, which come with the program, or those of a file.
    ///
    /// # Errors
    /// There is no such file, or it is not what it should be.
    pub(crate) fn read(given: &str) -> Result<Paper, Refusal> {
        if let Some((_, text)) = KNOWN.iter().find(|(name, _)| *name == given) {
            return Paper::parse(given, text.as_bytes());
        }
        let path = Path::new(given);
        let Ok(found) = fs::metadata(path) else {
            refuse!("--against is {given:?}, expected paper, or a JSON file with the numbers of another paper")
        };
        demand!(
            found.is_file() && found.len() <= MOST_BYTES,
            "--against is {given:?}, expected a JSON file of at most {} MiB",
            MOST_BYTES >> 20
        );
        let bytes = fs::read(path).map_err(|error| Refusal::new(format_args!("{given} cannot be read: {error}")))?;
        Paper::parse(given, &bytes)
    }

    /// Reads the bytes of such a file; `file` is for messages.
    ///
    /// # Errors
    /// A key, with what was there and what would be right.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Paper, Refusal> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| Refusal::new(format_args!("{file} is no JSON: {error}")))?;
        let whole = JsonPlace::of(file, &value);
        whole.object(&["format", "paper", "title", "source", "seeds", "setting", "reports"])?;
        let format = whole.need("format")?;
        if format.count()? != 1 {
            return Err(format.refuse("1, the only format that there is"));
        }
        let reports = whole.need("reports")?.list()?;
        Ok(Paper {
            file: file.to_owned(),
            name: whole.need("paper")?.text(60)?,
            title: whole.need("title")?.text(300)?,
            source: whole.need("source")?.text(1000)?,
            seeds: whole.need("seeds")?.count()?,
            setting: options(whole.get("setting"))?,
            reports: reports.iter().map(reported).collect::<Result<_, _>>()?,
        })
    }

    /// Makes sure that every quantity is one that sweeps record, this one's or those before there were glossaries.
    ///
    /// # Errors
    /// The first that is none.
    pub(crate) fn check(&self, glossary: &Glossary) -> Result<(), Refusal> {
        let usual = Glossary::format2();
        let both = || [glossary, &usual].into_iter();
        let indicators = both().flat_map(|glossary| &glossary.indicators).map(|indicator| indicator.name.as_str());
        let tasks: Vec<&str> = OUTCOMES.into_iter().chain(indicators).collect();
        let bounds = both().flat_map(|glossary| &glossary.bounds).map(|bound| bound.column.as_str());
        let layers: Vec<&str> = OF_LAYERS.into_iter().chain(bounds).collect();
        for (place, Reported { quantity, layer, .. }) in self.reports.iter().enumerate() {
            let (known, what) = match layer {
                Some(_) => (&layers, "what is recorded of a layer, such as learning_rate"),
                None => (&tasks, "a column of tasks.csv, such as online_accuracy"),
            };
            if !known.contains(&quantity.as_str()) {
                let guess = nearest(quantity, known.iter().copied());
                let guess = guess.map_or_else(String::new, |guess| format!(" (did you mean {guess}?)"));
                refuse!("{}: reports[{place}].quantity is {quantity:?}, expected {what}{guess}", self.file);
            }
        }
        Ok(())
    }
}

/// An element of `reports`.
fn reported(place: &JsonPlace) -> Result<Reported, Refusal> {
    place.object(&[
        "where",
        "quantity",
        "layer",
        "method",
        "schedule",
        "schedule_options",
        "learning_rate",
        "setting",
        "moment",
        "tasks",
        "events",
        "values",
        "reading_error",
        "note",
    ])?;
    let text = |key: &str| place.get(key).map(|place| place.text(200)).transpose();
    let quantity = place.need("quantity")?.text(60)?;
    let method = place.need("method")?;
    let parts = if method.is_list() { method.list()? } else { vec![method] };
    let mut method = parts.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    method.retain(|(name, _)| name != "relu");
    Ok(Reported {
        from: place.need("where")?.text(60)?,
        layer: text("layer")?,
        schedule: place.need("schedule")?.text(60)?,
        schedule_options: options(place.get("schedule_options"))?,
        learning_rate: place.need("learning_rate")?.number(|rate| rate > 0.0, "a number above 0")?,
        setting: options(place.get("setting"))?,
        values: values(place, &quantity)?,
        reading_error: place.need("reading_error")?.number(|error| error >= 0.0, "a number, at least 0")?,
        note: text("note")?.unwrap_or_default(),
        method,
        quantity,
    })
}

/// A part of a method, by its name alone or with options, as in an experiment.
fn part(place: &JsonPlace) -> Result<(String, Vec<(String, Value)>), Refusal> {
    let (name, mut own) = match place.is_object() {
        true => (place.need("name")?, options(Some(place.clone()))?),
        false => (place.clone(), Vec::new()),
    };
    own.retain(|(key, _)| key != "name");
    match name.text(60)? {
        reset if reset == "reset" => Err(name.refuse("a method without reset, which is a schedule here")),
        name => Ok((name, own)),
    }
}

/// The keys and values of an object; of none where there is none.
fn options(place: Option<JsonPlace>) -> Result<Vec<(String, Value)>, Refusal> {
    place.map_or_else(|| Ok(Vec::new()), |place| place.members())
}

/// The values of a report with their moments.
fn values(place: &JsonPlace, quantity: &str) -> Result<Vec<(ReportedAt, f64)>, Refusal> {
    let is_share = ["online_accuracy", "final_accuracy", "test_accuracy", "rho"].contains(&quantity);
    let number = |place: &JsonPlace| match is_share {
        true => place.number(|value| (0.0..=1.0).contains(&value), "a number from 0 to 1"),
        false => place.number(|_| true, "a number"),
    };
    let list = place.need("values")?;
    let values = list.list()?.iter().map(number).collect::<Result<Vec<f64>, _>>()?;
    let moments = moments(place, quantity)?;
    if moments.len() != values.len() {
        let expected = format!("{} numbers, one for each moment", moments.len());
        return Err(list.refuse(&expected));
    }
    Ok(moments.into_iter().zip(values).collect())
}

/// The moments of a report: its tasks, one by one or from one to another, its events, or the whole run.
fn moments(place: &JsonPlace, quantity: &str) -> Result<Vec<ReportedAt>, Refusal> {
    let [over, tasks, events] = ["moment", "tasks", "events"].map(|key| place.get(key));
    let is_count = COUNTS.contains(&quantity);
    let over = match (over, place.get("layer").is_some() && tasks.is_some() && !is_count) {
        (None, false) => None,
        (None, true) => {
            return Err(place.refuse("a key moment beside layer and tasks: begin, end, lowest, highest or mean"));
        }
        (Some(over), false) => return Err(over.refuse("none where there are no layer and tasks")),
        (Some(over), true) => {
            let text = over.text(60)?;
            let found = Over::ALL.into_iter().find(|(name, _)| *name == text);
            Some(found.ok_or_else(|| over.refuse("begin, end, lowest, highest or mean"))?.1)
        }
    };
    match (tasks, events, over) {
        (None, None, _) if is_count => Ok(vec![ReportedAt::Run]),
        (Some(place), _, _) | (_, Some(place), _) if is_count => {
            Err(place.refuse("none: decisions are counted over a whole run"))
        }
        (Some(tasks), None, None) => tasks.list()?.iter().map(|task| Ok(ReportedAt::Task(task.count()?))).collect(),
        (Some(tasks), None, Some(over)) => {
            let ends = |task: &JsonPlace| -> Result<ReportedAt, Refusal> {
                let ends = if task.is_list() { task.list()? } else { vec![task.clone(), task.clone()] };
                match ends.iter().map(JsonPlace::count).collect::<Result<Vec<usize>, _>>()?[..] {
                    [first, last] if first <= last => Ok(ReportedAt::Updates(over, first, last)),
                    _ => Err(task.refuse("a task, or the first and the last of several")),
                }
            };
            tasks.list()?.iter().map(ends).collect()
        }
        (None, Some(events), None) if place.get("layer").is_some() => {
            events.list()?.iter().map(|event| Ok(ReportedAt::Event(event.count()?))).collect()
        }
        _ => Err(place.refuse("a key tasks, or for a layer, either tasks or events")),
    }
}
