//! The report over synthetic sweeps: what was planted must be found, in every file and in the terminal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use trainability_record::text::sentence;
use trainability_record::{Glossary, LayerEvents, Status};

use super::rows::{ClaimRow, PredictivenessRow, SummaryRow};
use super::synthetic::{METHODS, Plan, SCHEDULES, Workplace, run_folder, write};
use crate::Format;
use crate::views::figures::FIGURES;
use crate::writers::{html, markdown};

/// One space between words, so that a phrase is found wherever a table breaks its line.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_sweep_becomes_tables_figures_and_reports() {
    let workplace = Workplace::new(&Plan::small());
    let (files, terminal) = workplace.report();
    let files = files.unwrap();

    let markdown = fs::read_to_string(&files.markdown).unwrap();
    let html = fs::read_to_string(&files.html).unwrap();
    for text in [&terminal, &markdown, &html] {
        for title in [
            "Accuracy by arm",
            "Schedules over all methods",
            "Verdicts on the paper",
            "Which indicator orders, and which predicts",
            "Pooled over arms: who will lose",
            "Pooled over arms: warning",
        ] {
            assert!(text.contains(title), "{title}");
        }
    }
    let tables = terminal.lines().take_while(|line| *line != "Figures");
    assert!(tables.into_iter().all(|line| line.chars().count() <= 100), "{terminal}");

    assert_the_images_of_every_figure(&files.figures, &markdown);
    for figure in &files.figures {
        let name = figure.file_name().unwrap().to_str().unwrap();
        assert!(markdown.contains(&format!("](../../plots/quick/{name})")), "{name} is linked");
        assert!(terminal.contains(name), "{name} is named");
        assert_is_a_picture(figure);
        assert_is_the_same_drawing(figure);
    }
    let (bitmaps, drawings) =
        (html.matches("src=\"data:image/png;base64,iVBOR").count(), html.matches("<svg ").count());
    assert_eq!(bitmaps + drawings, files.figures.len());
    assert!(html.contains("0123abc") && markdown.contains("0123abc"), "provenance stands in both");
    let glossary = Glossary::format2();
    for about in [&glossary.parts["l2_adam"].about, &glossary.schedules["as_run"].about] {
        assert!(markdown.contains(&markdown::escape(about)) && html.contains(&html::escape(about)), "{about}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("http://") && !html.contains("https://"), "the page asks for nothing from elsewhere");
    let last = terminal.lines().last().unwrap();
    assert!(last.contains("report.html"), "{last}");
}

/// One image a figure, but for two that have more; a figure without any says what would make it appear.
fn assert_the_images_of_every_figure(files: &[PathBuf], report: &str) {
    let names = || files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap());
    let mut images = BTreeMap::from_iter(FIGURES.iter().map(|figure| (figure.name, 0)));
    for name in names() {
        let figures = FIGURES.iter().map(|figure| figure.name).filter(|figure| name.starts_with(figure));
        let longest = figures.max_by_key(|figure| figure.len());
        *images.get_mut(longest.unwrap_or_else(|| panic!("{name} belongs to no figure"))).unwrap() += 1;
    }
    for figure in FIGURES {
        match (figure.name, images[figure.name]) {
            ("effective_step_bounds", found) => {
                assert_eq!(found, METHODS.len(), "every method's that keeps its network")
            }
            ("mirrored_decay", found) => assert_eq!(found, 2, "for both forms of the scheduler"),
            ("claims", found) => assert_eq!(found, 4, "for each claim that has runs"),
            ("against", found) => assert_eq!(found, 0, "nobody asked for a paper"),
            (name, 0) => {
                assert!(!figure.absent.is_empty() && report.contains(&markdown::escape(figure.absent)), "{name}")
            }
            (name, found) => assert_eq!(found, 1, "{name}"),
        }
    }
    assert!(images.values().filter(|found| **found > 0).count() >= 11, "{images:?}");
}

/// Decodes the file, and checks its size, and that there is ink, in colour, on white.
pub(super) fn assert_is_a_picture(path: &Path) {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let palette = reader.info().palette.clone().unwrap().into_owned();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.width, 1600);
    assert!((300..4000).contains(&info.height), "{}: {} high", path.display(), info.height);
    let colour = |place: u8| &palette[3 * usize::from(place)..3 * usize::from(place) + 3];
    let count = |wanted: fn(&[u8]) -> bool| pixels.iter().filter(|place| wanted(colour(**place))).count();
    let white = count(|c| c == [255, 255, 255]);
    let coloured = count(|c| c.iter().max().unwrap() - c.iter().min().unwrap() > 60);
    let dark = count(|c| c.iter().all(|channel| *channel < 100));
    assert!(white > pixels.len() / 3, "{} is mostly paper", path.display());
    assert!(dark > 1000 && coloured > 1000, "{} has text and coloured marks: {dark}, {coloured}", path.display());
}

/// The SVG beside a PNG: of its size, with its text as text, and nothing that runs or is fetched.
fn assert_is_the_same_drawing(png: &Path) {
    let svg = fs::read_to_string(png.with_extension("svg")).unwrap();
    let bytes = fs::read(png).unwrap();
    let height = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{}", png.display());
    assert!(svg.contains(&format!("width=\"1600\" height=\"{height}\"")) && svg.contains("font-family=\"sans-serif\""));
    assert!(svg.matches("<text ").count() > 5 && svg.len() > 3000, "{}", png.display());
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    assert!(!svg.contains("href") && !svg.contains("<script") && !svg.contains("<image"), "{}", png.display());
}

#[test]
fn a_report_is_the_same_bytes_at_any_number_of_threads() {
    let workplace = Workplace::new(&Plan { methods: vec!["relu".into(), "crelu".into()], ..Plan::small() });
    let written = |threads: usize| -> Vec<Vec<u8>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let files = pool.install(|| workplace.report()).0.unwrap();
        let drawings = files.figures.iter().map(|png| png.with_extension("svg"));
        let paths = [files.summary, files.predictiveness, files.claims, files.markdown, files.html].into_iter();
        paths.chain(files.figures.clone()).chain(drawings).map(|path| fs::read(path).unwrap()).collect()
    };
    assert_eq!(written(1), written(3));
}

#[test]
fn tables_hold_what_was_planted() {
    let workplace = Workplace::new(&Plan::small());
    let (files, terminal) = workplace.report();
    let files = files.unwrap();

    let summary: Vec<SummaryRow> = read_csv(&files.summary);
    assert_eq!(summary.len(), METHODS.len() * SCHEDULES.len() + 1);
    assert_eq!((summary[0].method.as_str(), summary[0].schedule.as_str()), ("relu", "constant"), "the sweep's order");
    let of = |method: &str, schedule: &str| {
        summary.iter().find(|row| row.method == method && row.schedule == schedule).unwrap().clone()
    };
    assert_eq!(of("relu", "paper").difference_to_constant, Some(0.0));
    assert!(of("wasserstein", "debiased").difference_to_constant.unwrap() > 0.0);
    let mean = of("relu", "constant").mean_online_accuracy.unwrap();
    assert!(terminal.contains(&format!("{mean:.3} [")), "{mean} is in the table");
    assert!(flat(&terminal).contains("relu paper 3 never fired – – 0 0 432"), "{terminal}");
    assert!(flat(&terminal).contains("relu as_run 3 +0.0"), "{terminal}");
    // The ceiling is that of fresh networks, and a loss comes before a collapse.
    let relu = of("relu", "constant");
    assert!(relu.ceiling.unwrap() > relu.mean_online_accuracy.unwrap(), "{relu:?}");
    assert_eq!((relu.runs_with_loss, of("reset", "constant").runs_with_loss), (Some(3), None));
    assert!(relu.runs_with_collapse <= relu.runs_with_loss, "{relu:?}");

    // Runs of versions without that column are read all the same.
    assert!(summary.iter().all(|row| row.mean_test_accuracy.is_none()));
    assert!(!terminal.contains("images that nobody trained on"));

    assert_eq!(of("relu", "paper").p_paired_t, None, "no difference, no test");
    assert!(
        of("wasserstein", "debiased").p_paired_t_holm.unwrap() >= of("wasserstein", "debiased").p_paired_t.unwrap()
    );

    let rows: Vec<PredictivenessRow> = read_csv(&files.predictiveness);
    let row = |name: &str| rows.iter().find(|row| row.indicator == name && row.horizon == 1).unwrap();
    assert!(row("rho").auroc.unwrap() > 0.9, "rho was made from the next task's accuracy");
    assert_eq!(row("rho").direction, "high");
    assert_eq!(row("unit_sign_entropy").direction, "low");
    assert!(row("rho").gain_over_task_age.unwrap() > 0.0 && row("rho").lead_time.is_some());

    let claims: Vec<ClaimRow> = read_csv(&files.claims);
    let letters: Vec<&str> = claims.iter().filter(|row| row.subject.is_empty()).map(|row| &*row.claim).collect();
    assert_eq!(letters, ["a", "b", "b'", "b''", "c", "c'", "c''", "d", "e"]);
    let of_claim = |letter: &str, subject: &str| {
        claims.iter().find(|row| row.claim == letter && row.subject == subject).unwrap_or_else(|| panic!("{subject}"))
    };
    let gain = of_claim("c", "crelu · paper");
    assert!(gain.n == 3 && gain.effect.unwrap() > 0.0 && gain.p.is_none(), "three seeds decide nothing: {gain:?}");
    assert_eq!((&*gain.verdict, &*of_claim("c", "").verdict), ("undecided", "undecided"));
    assert!(!claims.iter().any(|row| row.subject.starts_with("relu")), "no claim about it");
    for untested in ["c'", "c''", "e"] {
        assert_eq!(of_claim(untested, "").verdict, "not_tested");
    }
    assert_eq!(row("rho").n, METHODS.len() * SCHEDULES.len() * 3 * 5, "reset is the reference, not a case");
    let table = terminal.split("Pooled over arms: who will lose").nth(1).unwrap();
    let place = |title: &str| table.lines().position(|line| line.starts_with(title)).unwrap();
    assert!(place("rho") < place("sharpness"), "the best stand first");
}

#[test]
fn tables_for_latex_are_all_that_is_printed() {
    let workplace = Workplace::new(&Plan::small());
    let mut printed = Vec::new();
    write(&workplace.results(), &workplace.plots(), Format::Latex, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert_eq!(printed.matches("\\begin{tabular}").count(), 10, "{printed}");
    assert_eq!(printed.matches("\\end{table}").count(), 10);
    assert!(printed.contains("l2\\_adam") && !printed.contains("report.html") && !printed.contains("Warnings"));
}

fn read_csv<Row: serde::de::DeserializeOwned>(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

#[test]
fn planted_flaws_are_warned_about_everywhere() {
    let workplace = Workplace::new(&Plan::small());
    workplace.edit_record("crelu", "paper", 1, |record| {
        record.status = Status::Diverged;
        record.diverged_at_task = Some(2);
        record.error = Some("the loss is not a number".into());
    });
    workplace.edit_record("l2_loss", "as_run", 0, |record| {
        record.status = Status::Failed;
        record.error = Some("no space left on device".into());
    });
    workplace.edit_record("relu", "constant", 0, |record| record.unconverged_curvature_events = 17);
    workplace.edit_record("l2_adam", "as_run", 2, |record| record.status = Status::Running);
    fs::remove_file(run_folder(&workplace.results(), "wasserstein", "as_run", 2).join("run.json")).unwrap();
    let (files, terminal) = workplace.report();
    let files = files.unwrap();
    let page = fs::read_to_string(&files.html).unwrap();
    for warning in [
        "relu/paper: the schedule never fired in 3 of 3 runs",
        "identical to their control relu/constant, not a result",
        "relu/constant and relu/paper have the same numbers in every column",
        "crelu/paper, seed 1 diverged in task 3: the loss is not a number.",
        "l2_loss/as_run, seed 0 failed: no space left on device.",
        "l2_adam/as_run, seed 2 has not finished.",
        "wasserstein/as_run, seed 2 has no run.json",
        "3 seeds, fewer than 5",
        "effective_rank is undefined at",
        "Lanczos ran out of products before the wanted precision in 17 of",
    ] {
        assert!(flat(&terminal).contains(warning), "{warning} is not in the terminal:\n{terminal}");
        assert!(page.contains(warning), "{warning} is not in the page");
    }
    let markdown = fs::read_to_string(&files.markdown).unwrap();
    assert!(markdown.find("## Warnings").unwrap() < markdown.find("## Evidence").unwrap(), "warnings stand on top");
    let summary: Vec<SummaryRow> = read_csv(&files.summary);
    let crelu = summary.iter().find(|row| row.method == "crelu" && row.schedule == "paper").unwrap();
    assert_eq!((crelu.n, crelu.diverged), (2, 1));
}

#[test]
fn nothing_that_a_configuration_says_becomes_markup() {
    let hostile = "<img src=x onerror=alert(1)>&'`|";
    let plan = Plan { methods: vec!["relu".into(), hostile.into()], ..Plan::small() };
    let workplace = Workplace::new(&plan);
    workplace.edit_record(hostile, "as_run", 0, |record| {
        record.status = Status::Failed;
        record.error = Some("</ul><script>alert(2)</script>".into());
    });
    let (files, _) = workplace.report();
    let files = files.unwrap();
    let html = fs::read_to_string(&files.html).unwrap();
    assert!(!html.contains("<img src=x") && html.matches("<script").count() == 1, "markup got through");
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&#39;`|"));
    let markdown = fs::read_to_string(&files.markdown).unwrap();
    let prose = markdown.split("```").next().unwrap();
    assert!(!prose.contains("<img") && !prose.contains(" <script"), "markup got through");
    for line in prose.lines().filter(|line| line.starts_with("| ") && line.contains("onerror")) {
        assert!(
            matches!(line.replace("\\|", "").matches('|').count(), 4 | 5 | 7 | 8 | 10),
            "a cell left its table: {line}"
        );
    }
    for figure in &files.figures {
        let name = figure.file_name().unwrap().to_str().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
    }
}

/// Names of folders that a results folder from elsewhere may have, and what stands for them in every text.
const HOSTILE: [(&str, &str); 3] = [
    ("=HYPERLINK(1)|a\nb", "=HYPERLINK(1)|a"),
    ("\u{1b}[2J\u{202e}uler", r"\u{1b}[2J\u{202e}uler"),
    ("@\r\"--><script>alert(3)</script>](javascript:alert(4))```", "@"),
];

#[test]
fn nothing_that_a_folder_is_called_steers_a_page_a_terminal_or_a_spreadsheet() {
    let methods = HOSTILE.map(|(name, _)| name.to_string()).to_vec();
    let workplace = Workplace::new(&Plan { methods, seeds: 1, ..Plan::small() });
    let sweep = json!({ "about": "```\n</pre><script>alert(5)</script>\u{2028}\u{202e}", "experiment": { "methods": [HOSTILE[0].0] } });
    fs::write(workplace.results().join("sweep.json"), sweep.to_string()).unwrap();
    let (files, terminal) = workplace.report();
    let files = files.unwrap();
    let [markdown, html] = [&files.markdown, &files.html].map(|file| fs::read_to_string(file).unwrap());
    for text in [&terminal, &markdown, &html] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character");
        assert!(!text.contains(['\u{202e}', '\u{2028}']), "text that turns around");
    }
    assert!(html.matches("<script").count() == 1 && !html.contains("javascript:alert(4)\""), "a script");
    assert!(html.contains(HOSTILE[1].1) && terminal.contains(&HOSTILE[1].1[..8]), "what is hidden is spelt out");
    let prose = markdown.split("````").next().unwrap();
    assert!(!prose.contains("<script") && !prose.contains("](javascript"), "a link that runs");
    // Every row of a table has as many cells as the row above it.
    let columns = |line: &str| line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
    let rows: Vec<Option<usize>> = prose.lines().map(columns).collect();
    let below = rows.windows(2).filter_map(|pair| pair[0].zip(pair[1]));
    assert!(below.clone().count() > 20 && below.clone().all(|(above, row)| above == row), "a cell left its table");

    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(&files.summary).unwrap();
    let fields: Vec<String> =
        reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    let formula =
        |field: &&String| field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
    assert_eq!(fields.iter().find(formula), None, "a spreadsheet would compute it");
    assert!(fields.iter().any(|field| field == "'=HYPERLINK(1)|a\nb"), "the name is still there");
    assert!(fields.iter().any(|field| field.starts_with('-') && field.parse::<f64>().is_ok()), "numbers stay numbers");
}

#[test]
fn numbers_at_the_ends_of_what_there_is_are_drawn_or_refused() {
    let workplace = Workplace::new(&Plan { methods: vec!["relu".into()], seeds: 1, ..Plan::small() });
    let folder = run_folder(&workplace.results(), "relu", "constant", 0);
    let extremes =
        ["0", "5e-324", "1e-323", "-5e-324", "1.7976931348623157e308", "-1e308", "inf", "-inf", "1e-300", "1e17"];
    // Every indicator of every task, and every number of every measured update.
    let text = fs::read_to_string(folder.join("tasks.csv")).unwrap();
    let mut rows: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let shares = ["online_accuracy", "final_accuracy", "rho"];
    let free: Vec<usize> = (0..rows[0].len()).filter(|column| !shares.contains(&&*rows[0][*column])).collect();
    for (row, column) in (1..rows.len()).flat_map(|row| free.iter().map(move |column| (row, *column))) {
        rows[row][column] = extremes[(3 * row + column) % extremes.len()].to_owned();
    }
    let text = rows.iter().map(|row| row.join(",") + "\n").collect::<String>();
    fs::write(folder.join("tasks.csv"), text).unwrap();
    let text = fs::read_to_string(folder.join("controls.csv")).unwrap();
    let extreme = |row: usize, column: usize, field: &str| match column {
        3..18 => extremes[(7 * row + column) % extremes.len()].to_owned(),
        _ => field.to_owned(),
    };
    let line = |(row, line): (usize, &str)| {
        let fields = line
            .split(',')
            .enumerate()
            .map(|(column, field)| if row == 0 { field.into() } else { extreme(row, column, field) });
        fields.collect::<Vec<_>>().join(",") + "\n"
    };
    let text = text.lines().enumerate().map(line).collect::<String>();
    fs::write(folder.join("controls.csv"), text).unwrap();
    workplace.edit_record("relu", "constant", 0, |record| {
        let part = |part: usize| (format!("part {part} {}", "x".repeat(500)), if part == 0 { f64::MAX } else { 1e3 });
        record.seconds = (0..2000).map(part).collect();
        (record.updates, record.tasks, record.diverged_at_task) = (u64::MAX, usize::MAX, Some(usize::MAX));
        record.unconverged_curvature_events = u64::MAX;
    });
    workplace.edit_record("relu", "paper", 0, |record| {
        let most = LayerEvents { cooled: u64::MAX, warmed: u64::MAX, held: u64::MAX, ..LayerEvents::default() };
        record.events = vec![most.clone(), most];
    });
    let (files, _) = workplace.report();
    let figures = files.unwrap().figures;
    assert!(figures.iter().any(|figure| figure.ends_with("cost.png")), "{figures:?}");
    for figure in &figures {
        let bytes = fs::read(figure).unwrap();
        let height = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
        assert!(height < 4000, "{}: {height} high", figure.display());
    }

    let whole = fs::read_to_string(folder.join("tasks.csv")).unwrap();
    let header = whole.lines().next().unwrap();
    let place = header.split(',').position(|name| name == "online_accuracy").unwrap();
    for value in ["1.5", "-0.1", "inf", "NaN"] {
        let mut fields: Vec<&str> = whole.lines().nth(1).unwrap().split(',').collect();
        fields[place] = value;
        fs::write(folder.join("tasks.csv"), format!("{header}\n{}\n", fields.join(","))).unwrap();
        let error = workplace.error();
        assert!(
            error.contains("tasks.csv, line 2") && error.contains(value) && error.contains("from 0 to 1"),
            "{error}"
        );
    }
    fs::write(folder.join("tasks.csv"), format!("{header},rho\n")).unwrap();
    assert!(workplace.error().contains("the column \"rho\" twice"), "{}", workplace.error());
    let controls = fs::read_to_string(folder.join("controls.csv")).unwrap();
    fs::write(folder.join("tasks.csv"), &whole).unwrap();
    fs::write(folder.join("controls.csv"), controls.replace(",fc2,", &format!(",{},", "f".repeat(81)))).unwrap();
    assert!(workplace.error().contains("names of at most 80 characters"), "{}", workplace.error());
}

/// Runs that nobody has begun have no folder, and are not forgotten.
#[test]
fn the_runs_that_were_planned_are_counted() {
    let plan = Plan { methods: vec!["relu".into()], seeds: 1, ..Plan::small() };
    let workplace = Workplace::new(&plan);
    let path = workplace.results().join("sweep.json");
    let mut sweep: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    sweep["runs"] = 9.into();
    fs::write(&path, sweep.to_string()).unwrap();
    let markdown = fs::read_to_string(workplace.report().0.unwrap().markdown).unwrap();
    assert!(markdown.contains("5 of 9 runs have finished"), "{}", &markdown[..400]);
}

#[test]
fn one_seed_or_one_method_is_enough() {
    let plan = Plan { methods: vec!["relu".into()], seeds: 1, ..Plan::small() };
    let workplace = Workplace::new(&plan);
    fs::remove_dir_all(workplace.results().join("runs/reset")).unwrap();
    fs::remove_file(workplace.results().join("sweep.json")).unwrap();
    let (files, terminal) = workplace.report();
    assert!(files.unwrap().figures.len() >= 11);
    assert!(flat(&terminal).contains("1 seed: there is no interval over seeds"));
    assert!(terminal.contains("sweep.json is missing"));
}

#[test]
fn damage_is_named_with_the_file_and_what_would_be_right() {
    let workplace = Workplace::new(&Plan { methods: vec!["relu".into()], seeds: 1, ..Plan::small() });
    // The records of this sweep hold no checksums, so that what is wrong shows in the files alone.
    let tasks = run_folder(&workplace.results(), "relu", "paper", 0).join("tasks.csv");
    let whole = fs::read_to_string(&tasks).unwrap();

    fs::write(&tasks, whole.replacen("\n1,", "\none,", 1)).unwrap();
    let error = workplace.error();
    assert!(error.contains("tasks.csv, line 3") && error.contains("\"one\"; expected a number"), "{error}");

    fs::write(&tasks, &whole[..whole.len() - 40]).unwrap();
    assert!(workplace.error().contains("fields as in the header"), "{}", workplace.error());

    fs::write(&tasks, whole.replace("online_accuracy", "accuracy")).unwrap();
    assert!(workplace.error().contains("has no column online_accuracy"));

    fs::remove_dir_all(workplace.results().join("runs")).unwrap();
    let error = workplace.error();
    assert!(error.contains("keeps only the summaries") && error.contains("run the sweep again"), "{error}");
    fs::remove_file(workplace.results().join("sweep.json")).unwrap();
    assert!(workplace.error().contains("holds no runs/METHOD/SCHEDULE/seed-N folder"));
    assert!(!workplace.plots().exists(), "nothing is written when nothing can be read");
}

#[test]
fn a_sweep_without_a_finished_run_says_why() {
    let workplace = Workplace::new(&Plan { methods: vec![], seeds: 1, ..Plan::small() });
    workplace.edit_record("reset", "constant", 0, |record| {
        record.status = Status::Failed;
        record.error = Some("out of memory".into());
    });
    let (files, terminal) = workplace.report();
    assert!(sentence(&files.unwrap_err()).contains("none of the 1 runs"));
    assert!(terminal.contains("reset/constant, seed 0 failed: out of memory."));
}
