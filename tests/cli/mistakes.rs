//! What newcomers get wrong: each mistake is one sentence that names the file or key, what was there and what would be right.

use std::fs;

use super::workdir::{Workdir, image_set};

/// An edit of the experiment's text, and what is said of it.
const IN_THE_FILE: &[(&str, &str, &str)] = &[
    // Keys.
    (r#""seeds":"#, r#""seed":"#, "at `seed`: there is no key `seed`, expected one of name, about"),
    (r#""seeds":"#, r#""seed":"#, "(did you mean seeds?)"),
    (r#""tasks":"#, r#""task":"#, "at `stream.task`: there is no key `task`, expected one of kind, tasks"),
    (r#""tasks":"#, r#""task":"#, "(did you mean tasks?)"),
    (r#""hidden":"#, r#""hiden":"#, "(did you mean hidden?)"),
    (r#""folder":"#, r#""fodler":"#, "(did you mean folder?)"),
    (r#""learning_rate":"#, r#""learning_rte":"#, "at `training.learning_rte`"),
    (r#""learning_rate":"#, r#""learning_rte":"#, "(did you mean learning_rate?)"),
    (r#""learning_rate":"#, r#""lr":"#, "(did you mean learning_rate?)"),
    (r#""learning_rate":"#, r#""beta_1":"#, "(did you mean beta1?)"),
    (r#""learning_rate":"#, r#""epochs":"#, "(did you mean stream.epochs?)"),
    (r#""learning_rate":"#, r#""weight_decay":"#, "weight decay is a method here: `l2_adam` or `adamw` in `methods`"),
    (r#""learning_rate":"#, r#""momentum":"#, r#"it is an option of `"optimizer": "sgd"`"#),
    (r#""seeds":"#, r#""learning_rate":0.1,"seeds":"#, "(did you mean training.learning_rate?)"),
    (r#""seeds":"#, r#""tasks":3,"seeds":"#, "(did you mean stream.tasks?)"),
    (r#""window":"#, r#""lanczos":{"product":5},"window":"#, "at `measure.lanczos.product`"),
    (r#""window":"#, r#""lanczos":{"product":5},"window":"#, "(did you mean products?)"),
    (r#""cool":"#, r#""coool":"#, "at `control.coool`: there is no key `coool`"),
    (r#""cool":"#, r#""coool":"#, "(did you mean cool?)"),
    (r#""seeds":"#, r#""slurm":{"partion":"x"},"seeds":"#, "(did you mean partition?)"),
    (r#"["relu"]"#, r#"[{"name":"l2_loss","coef":1}]"#, "at `methods[0].coef`"),
    (r#"["relu"]"#, r#"[{"name":"l2_loss","coef":1}]"#, "(did you mean coefficient?)"),
    (r#"["relu"]"#, r#"[{"name":"l2_loss","lable":"a"}]"#, "(did you mean label?)"),
    (
        r#"["relu"]"#,
        r#"[{"parts":["relu"],"lable":"a"}]"#,
        "`methods[0].lable` is an unknown key, expected label or parts (did you",
    ),
    (
        r#"["relu"]"#,
        r#"[{"nme":"l2_loss"}]"#,
        "`methods[0].name` is missing, expected a name in quotes (and not `nme`)",
    ),
    (r#""paper"]"#, r#"{"name":"cosine","end_facter":0.5}]"#, "(did you mean end_factor?)"),
    (r#""seeds":"#, r#""grid":{"trainng.learning_rate":[1]},"seeds":"#, "(did you mean training.learning_rate?)"),
    (r#""seeds":"#, r#""grid":{"learning_rate":[1]},"seeds":"#, "(did you mean training.learning_rate?)"),
    (
        r#""seeds":"#,
        r#""grid":{"training":{"learning_rate":[1]}},"seeds":"#,
        r#"as in {"training.learning_rate": [0.001, 0.01]}"#,
    ),
    // Names.
    ("relu", "rleu", r#"`methods[0]` is "rleu", expected one of relu, crelu"#),
    ("relu", "ReLU", "(did you mean relu?)"),
    ("relu", "layer-norm", "(did you mean layer_norm?)"),
    ("relu", "l2", "(did you mean l2_adam or l2_loss or l2_init?)"),
    ("relu", "paper", "expected a method: it is a schedule, and stands in `schedules`"),
    ("\"paper\"", "\"cosin\"", "(did you mean cosine?)"),
    ("\"paper\"", "\"crelu\"", "expected a schedule: it is a method, and stands in `methods`"),
    (r#""batch_size":"#, r#""optimizer":"adm","batch_size":"#, "(did you mean adam?)"),
    (r#""batch_size":"#, r#""optimizer":"wasserstein","batch_size":"#, "it is a method, and stands in `methods`"),
    (r#""tasks":"#, r#""kind":"random_label","tasks":"#, "(did you mean random_labels?)"),
    (
        r#""hidden":"#,
        r#""kind":"convolutionl","hidden":"#,
        "found `convolutionl`, expected one of mlp, convolutional, residual, transformer (did you",
    ),
    (r#""cool":"#, r#""statistic":"volatilty","cool":"#, "(did you mean volatility?)"),
    (r#""cool":"#, r#""limit":"combned","cool":"#, "(did you mean combined?)"),
    (r#""set":"idx""#, r#""set":"minst""#, "at `data`: there is no image set `minst`, only"),
    (r#""set":"idx""#, r#""set":"mnist5k""#, "(did you mean mnist-5k?)"),
    (r#""seeds":"#, r#""engine":"lokal","seeds":"#, "(did you mean local?)"),
    // Numbers and types.
    (
        r#""tasks":3"#,
        r#""tasks":1e1"#,
        "at `stream.tasks`: found 10.0, expected a whole number, 0 or above, such as 10",
    ),
    (r#""tasks":3"#, r#""tasks":10.5"#, "found 10.5, expected a whole number, 0 or above"),
    (r#""tasks":3"#, r#""tasks":"10""#, "found \"10\", expected a whole number, 0 or above, such as 10"),
    (r#""tasks":3"#, r#""tasks":1e400"#, "number out of range at line 1 column"),
    (r#""tasks":3"#, r#""tasks":NaN"#, "JSON has no such number, expected a finite one"),
    (r#""tasks":3"#, r#""tasks":-Infinity"#, "JSON has no such number, expected a finite one"),
    (r#""tasks":3"#, r#""tasks":null"#, "found null, expected a whole number, 0 or above"),
    (r#""learning_rate":0.01"#, r#""learning_rate":"0.01""#, "found \"0.01\", expected a number such as 0.01"),
    (r#""learning_rate":0.01"#, r#""learning_rate":.01"#, "a number begins with a digit or a minus, as in 0.5"),
    (r#"["relu"]"#, r#""relu""#, r#"at `methods`: found "relu", expected a list such as ["relu"]"#),
    (r#""tasks":3"#, r#""announce_boundaries":True,"tasks":3"#, "JSON writes true, false and null"),
    (r#""tasks":3"#, r#""announce_boundaries":1,"tasks":3"#, "found 1, expected true or false"),
    // What is not JSON.
    ("\"seeds\":1}", "\"seeds\":1,}", "trailing comma at line 1 column"),
    ("\"seeds\":1}", "\"seeds\":1 // one\n}", "JSON has no comments, and `about` is for words"),
    ("{\"data\"", "# tiny\n{\"data\"", "JSON has no comments"),
    ("{\"data\"", "/* tiny */{\"data\"", "JSON has no comments"),
    ("\"relu\"", "'relu'", "straight double quotes"),
    ("\"relu\"", "\u{201c}relu\u{201d}", "straight double quotes"),
    ("\"seeds\"", "seeds", "keys stand between double quotes"),
    (",\"seeds\"", "\"seeds\"", "a comma is missing before it"),
    ("\"seeds\":1}", "\"seeds\":1", "it ends before all braces, brackets and quotes are closed"),
    ("\"seeds\":1}", "\"seeds\":1}}", "trailing characters at line 1"),
    ("\"seeds\":1}", "\"seeds\":1,\"seeds\":2}", "at `seeds`: this key is there twice, expected once"),
    ("\"tasks\":3", "\"tasks\":3,\"tasks\":3", "at `stream.tasks`: this key is there twice, expected once"),
];

#[test]
fn mistakes_in_an_experiment() {
    let work = Workdir::new();
    let whole = work.read("tiny.json");
    for (from, to, said) in IN_THE_FILE {
        assert!(whole.contains(from), "{from}");
        work.write("tiny.json", whole.replacen(from, to, 1));
        work.refuse_sweep(&["--dry-run"], &["tiny.json", said]);
    }
}

/// Arguments after `sweep tiny.json`, and what is said of them.
const ON_THE_COMMAND_LINE: &[(&[&str], &str)] = &[
    (&["--set", "stream.task=5"], "tiny.json (with --set stream.task=5): at `stream.task`: there is no key `task`"),
    (&["--set", "strem.tasks=5"], "(did you mean stream?)"),
    (&["--set", "tasks=5"], "(did you mean stream.tasks?)"),
    (&["--set", "stream/tasks=5"], "(did you mean stream.tasks?)"),
    (&["--set", "stream.tasks=1,2"], "several values stand in `grid`, as in \"grid\": {\"stream.tasks\": [1,2]}"),
    (&["--set", "training.learning_rate=1e-3,0.01"], "\"grid\": {\"training.learning_rate\": [0.001,0.01]}"),
    (&["--set", "training.learning_rate=.1"], "found \".1\", expected a number such as 0.1"),
    (&["--set", "training.weight_decay=.1"], "`l2_adam` or `adamw` in `methods`"),
    (&["--set", "stream.tasks"], "--set stream.tasks: expected the form a.b=value"),
    (&["--set", "stream.tasks:5"], "expected the form a.b=value"),
    (&["--set", "network.hidden=64,32"], "found \"64,32\", expected a list such as [64,32]"),
    (&["--set", "methods=relu,crelu"], "expected a list such as [\"relu\",\"crelu\"]"),
    (&["--set", "methods[0]=crelu"], "a list is set whole, as in --set 'methods=[\"relu\",\"crelu\"]'"),
    (&["--set", "methods.0=crelu"], "a list is set whole"),
    (&["--set", "stream.tasks.x=5"], "lies inside something that is no object"),
    (&["--set", "seeds=0..5"], "found \"0..5\", expected a number of seeds such as 3, or a list such as [0, 2, 3]"),
    (&["--only", "rleu/constant/*"], "--only rleu/constant/* chooses none of the 2 runs"),
    (&["--only", "rleu/constant/*"], "(did you mean relu?)"),
    (&["--only", "relu/constnat"], "(did you mean constant?)"),
    (&["--only", "relu/constant", "--only", "relu/papr/*"], "--only relu/papr/* chooses none of the 2 runs"),
    (&["--only", ""], "--only is left empty, expected a value"),
    (&["--only", "["], "--only [ is no pattern such as"),
    (&["--jobs", "0"], "--jobs is \"0\", expected a whole number, at least 1"),
    (&["--jobs", "-1"], "--jobs is \"-1\", expected a whole number, at least 1"),
    (&["--jobs", "two"], "--jobs is \"two\", expected a whole number, at least 1"),
    (&["--seeds", "5..3"], "--seeds is \"5..3\", expected an end above the beginning, such as 3..5"),
    (&["--seeds", "3..3"], "expected an end above the beginning, such as 3..4"),
    (&["--seeds", "0-5"], "expected a range such as 0..5 or a list such as 0,3,4"),
    (&["--seed", "3"], "there is no option --seed (did you mean --seeds?)"),
    (&["--dryrun"], "there is no option --dryrun (did you mean --dry-run?)"),
    (&["--engine", "slrum"], "--engine is \"slrum\", expected one of local, lockstep, slurm (did you mean slurm?)"),
    (&["--device", "gpu"], "--device is \"gpu\", expected cpu, cuda, or cuda:1 and so on"),
    (&["--shard", "5/4"], "\"5/4\" is no shard, expected K/N"),
    (&["--checkpoint-every", "1m"], "--checkpoint-every is \"1m\", expected a number of seconds"),
    (&["--out", "tiny.json"], "--out leads to tiny.json, which is a file, expected a folder"),
    (&["--out", "tiny.json/x"], "--out leads to tiny.json, which is a file, expected a folder"),
    (&["--set", "methods=[\"relu\""], "the value is not valid JSON: EOF"),
    (&["second.json"], "\"second.json\" is one argument too many"),
];

#[test]
fn mistakes_on_the_command_line_of_a_sweep() {
    let work = Workdir::new();
    for (arguments, said) in ON_THE_COMMAND_LINE {
        work.refuse(&[&["sweep", "tiny.json", "--dry-run"], *arguments].concat(), &[said]);
    }
}

/// Whole command lines beside a sweep in `done`, and what is said of them.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&[], "a subcommand is missing, expected one of sweep, report"),
    (&["sweap", "tiny.json"], "there is no subcommand \"sweap\", expected one of sweep, report"),
    (&["sweap", "tiny.json"], "(did you mean sweep?)"),
    (&["reprot", "done"], "(did you mean report?)"),
    (&["tiny.json"], "(did you mean trainability sweep tiny.json?)"),
    (&["--verison"], "there is no option --verison (did you mean --version?)"),
    (&["sweep"], "<CONFIG> is missing"),
    (&["sweep", "tiny"], "cannot read the configuration tiny: No such file"),
    (&["sweep", "tiny"], "(did you mean tiny.json?)"),
    (&["sweep", "tny.json"], "(did you mean tiny.json?)"),
    (
        &["sweep", "done"],
        "it is a directory of a sweep's results (`trainability report done` reports on them), expected the JSON",
    ),
    (
        &["sweep", "images"],
        "cannot read the configuration images: it is a directory, expected the JSON file of an experiment",
    ),
    (&["sweep", "done/sweep.json"], "this is what a sweep wrote, expected the file of an experiment"),
    (&["sweep", "images/train-images-idx3-ubyte"], "it is no text in UTF-8, expected the JSON file of an experiment"),
    (&["sweep", "utf16.json"], "it is text in UTF-16, expected UTF-8"),
    (&["sweep", "empty.json"], "empty.json is not valid JSON"),
    (&["sweep", "empty.json"], "the file is empty, expected an experiment, which is an object in braces"),
    (&["report", "tiny.json"], "tiny.json is a file, expected the folder of a sweep, such as results/quick"),
    (
        &["report", "done/sweep.json"],
        "done/sweep.json is a file, expected the folder of a sweep, such as results/quick (did you mean done?)",
    ),
    (&["report", "done/runs/relu"], "is no folder that `trainability sweep` wrote (did you mean done?)"),
    (&["report", "."], "(did you mean ./done?)"),
    (
        &["report", "doen"],
        "there is no folder doen, expected that of a sweep, such as results/quick (did you mean done?)",
    ),
    (&["status", "tiny.json"], "tiny.json is a file, expected the folder of a sweep"),
    (&["status", "done/runs"], "(did you mean done?)"),
    (&["export", "tiny.json"], "tiny.json is a file, expected the folder of a sweep"),
    (&["replay", "tiny.json"], "tiny.json is a file, expected the folder of a sweep"),
    (&["replay", "done", "--schedules", "papr"], "--schedules names \"papr\", expected labels of schedules"),
    (&["report", "done", "--filter", "metod=relu"], "(did you mean method?)"),
    (
        &["report", "done", "--filter", "method=rleu"],
        "\"rleu\" matches none of the 2 runs, whose method is relu (did you mean relu?)",
    ),
    (&["report", "done", "--filter", "learning_rate=1"], "(did you mean training.learning_rate?)"),
    (&["report", "done", "--filter", "relu"], "expected KEY=VALUE[,VALUE...]"),
    (&["report", "done", "--group-by", "schedul"], "(did you mean schedule?)"),
    (
        &["report", "done", "--format", "latx"],
        "--format is \"latx\", expected one of terminal, latex (did you mean latex?)",
    ),
    (&["data", "mnsit"], "there is no image set `mnsit`, only"),
    (&["data", "mnsit"], "(did you mean mnist?)"),
    (&["data", "idx"], "the image set `idx` needs a folder"),
    (
        &["data", "idx", "--folder", "torchvision"],
        "torchvision has no images: the file should be called train-images-idx3-ubyte",
    ),
    (&["data", "idx", "--folder", "torchvision"], "torchvision/MNIST/raw has it"),
    (
        &["data", "idx", "--folder", "images/train-images-idx3-ubyte"],
        "this is a file, expected the folder in which it lies",
    ),
    (&["data", "idx", "--folder", "~/images"], "~ stands for the home folder in a shell alone"),
    (&["data", "idx", "--folder", "characters"], "has labels from 48 to 57: they should begin at 0 or 1"),
    (&["data", "mnist", "--folder", "images"], "for images of your own the set is called `idx`"),
    (&["probe"], "--checkpoint <FILE> and --batch <FILE> are missing"),
    (&["probe", "--checkpoint", "a", "--batch", "b", "--activation", "rleu"], "(did you mean relu?)"),
    (&["probe", "--checkpoint", "a", "--batch", "b", "--method", "waserstein"], "(did you mean wasserstein?)"),
    (
        &["probe", "--checkpoint", "a", "--batch", "b", "--method", "{\"name\":\"l2_loss\",\"coef\":1}"],
        "(did you mean coefficient?)",
    ),
    (
        &["probe", "--checkpoint", "a", "--batch", "b", "--method", "{name: l2_loss}"],
        "keys stand between double quotes",
    ),
    (
        &["probe", "--checkpoint", "a", "--batch", "b", "--precision", "f16"],
        "--precision is \"f16\", expected f32 or f64",
    ),
    (&["man", "sweap"], "there is no subcommand \"sweap\", expected one of sweep"),
    (&["completions", "bsh"], "(did you mean bash?)"),
];

#[test]
fn mistakes_elsewhere() {
    let work = Workdir::new();
    work.sweep("done", &[]).succeeded();
    work.write("empty.json", "");
    work.write(
        "utf16.json",
        work.read("tiny.json").encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
            bytes.extend(unit.to_le_bytes());
            bytes
        }),
    );
    let mut set = image_set();
    for folder in ["torchvision/MNIST/raw", "characters"] {
        fs::create_dir_all(work.path(folder)).unwrap();
        set.write_idx(&work.path(folder)).unwrap();
        set.labels.iter_mut().for_each(|label| *label += b'0');
    }
    for (arguments, said) in ELSEWHERE {
        work.refuse(arguments, &[said]);
    }
}

#[test]
fn what_an_editor_adds_is_no_mistake() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    let run = "relu/paper/seed-0";
    let (hash, whole) = (work.record("out", run).configuration_hash, work.read("tiny.json"));
    let with_schema = whole.replacen('{', "{\"$schema\": \"../docs/configuration.schema.json\",", 1);
    for text in [format!("\u{feff}{whole}"), with_schema, format!("\u{feff}{}\r\n", whole.replace(",\"", ",\r\n\""))] {
        work.write("tiny.json", text);
        work.sweep("out", &[]).succeeded().tells(&["0 runs finished, 2 were finished before"]);
        work.sweep("again", &[]).succeeded();
        assert_eq!(work.record("again", run).configuration_hash, hash);
        fs::remove_dir_all(work.path("again")).unwrap();
    }
    work.write("tiny.json", whole.replacen('{', "{\"$schema\": 5,", 1));
    work.refuse_sweep(&[], &["at `$schema`: there is no key `$schema`"]);
}

#[test]
fn only_means_what_lies_below_and_may_be_given_several_times() {
    let work = Workdir::new();
    work.write("tiny.json", work.read("tiny.json").replace("[\"relu\"]", "[\"relu\",\"crelu\",\"l2_loss\"]"));
    let chosen = |patterns: &[&str]| {
        let arguments: Vec<&str> = patterns.iter().flat_map(|pattern| ["--only", pattern]).collect();
        let said = work.sweep("out", &[&["--dry-run"], &arguments[..]].concat()).succeeded().stdout;
        said.lines().filter_map(|line| Some(line.split_once("/seed-0")?.0.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["relu/constant"]), ["relu/constant"]);
    assert_eq!(chosen(&["relu/constant/"]), ["relu/constant"]);
    assert_eq!(chosen(&["crelu"]), ["crelu/constant", "crelu/paper"]);
    assert_eq!(
        chosen(&["l2_loss", "relu/paper/*", "*/paper"]),
        ["relu/paper", "crelu/paper", "l2_loss/constant", "l2_loss/paper"]
    );
    // Whoever matches whole names means these alone.
    assert_eq!(chosen(&["*relu/paper/*"]), ["relu/paper", "crelu/paper"]);
}

#[test]
fn what_only_leaves_out_refuses_nothing() {
    let work = Workdir::new();
    let whole = work.read("tiny.json");
    let edits = [
        (r#"["relu"]"#, r#"["relu",{"name":"l2_loss","coefficient":0}]"#, "`methods[1].coefficient` is 0"),
        (r#"["relu"]"#, r#"["relu",{"name":"l2_loss","coef":1}]"#, "at `methods[1].coef`"),
        (r#"["relu"]"#, r#"["relu","waserstein"]"#, "(did you mean wasserstein?)"),
        (r#""paper"]"#, r#"{"name":"cosine","end_factor":2}]"#, "`schedules[1].end_factor` is 2"),
        (r#""paper"]"#, r#"{"name":"replay","rates":"nowhere.csv"}]"#, "`schedules[1].rates` is \"nowhere.csv\""),
        (r#""interval":3"#, r#""interval":0"#, "`measure.interval` is 0"),
        (r#""seeds":"#, r#""grid":{"data.images":[48,4000]},"seeds":"#, "`data.images` is 4000"),
        (r#""seeds":"#, r#""grid":{"stream.tasks":[3,0]},"seeds":"#, "`stream.tasks` is 0"),
    ];
    for (from, to, said) in edits {
        assert!(whole.contains(from), "{from}");
        work.write("tiny.json", whole.replacen(from, to, 1));
        work.refuse_sweep(&["--dry-run"], &[said]);
        let only = if to.contains("grid") { "relu@*=[34]*/constant" } else { "relu/constant" };
        let only = if to.contains("images") { "relu@images=48/constant" } else { only };
        work.sweep("out", &["--dry-run", "--only", only]).succeeded().tells(&["1 runs, 27 updates"]);
        work.refuse_sweep(&["--dry-run", "--only", only, "--only", "*"], &[said]);
    }
    // What cannot be named may be meant.
    work.write("tiny.json", whole.replacen(r#"["relu"]"#, r#"["relu",{"nme":"crelu"}]"#, 1));
    work.refuse_sweep(&["--dry-run", "--only", "relu/constant"], &["`methods[1].name` is missing"]);
}
