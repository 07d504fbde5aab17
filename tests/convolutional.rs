//! Convolutional networks: training and every measurement against plain code, whole runs, and what an experiment may say.

#[path = "../common/workdir.rs"]
#[allow(dead_code)]
mod workdir;

mod case;
mod experiments;
mod measurements;
mod network;
mod runs;
#[path = "../common/tiny.rs"]
#[allow(dead_code)]
mod tiny;
mod units;
