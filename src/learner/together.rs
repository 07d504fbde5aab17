//! What follows the passes of an update, for several learners at once: penalties and the optimizers' steps by a few tensor
//! operations for all of them, which is what a GPU needs.

use tch::{Kind, Tensor};
use trainability_baselines::gradient_rule::GradientRule;
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::method::Rules;
use trainability_baselines::penalty::{Penalty, Pull};
use trainability_baselines::second_pass::SecondPass;
use trainability_baselines::surgery::{Intervention, Surgery};

use super::learning::Learner;
use super::update::{LayerMeasurement, Measured};
use crate::model::{CrossEntropy, LayerChain, Stack, StackedBackward, StackedPass, row_of, split_row};
use crate::probe::together::{by_network, curvatures, noise_variances, squared_norms};
use crate::probe::{LayerFindings, LayerStatistics};
use crate::schedule::{Progress, Scope};

/// The rules of learners whose networks stand in a stack. Their optimizers' memory lies as the stack's parameters do from its
/// making on.
#[derive(Debug)]
pub(crate) struct RulesTogether {
    /// Each tensor that the optimizers keep of a parameter, R x P.
    memory: Vec<Tensor>,
    to_zero: Option<Pulled>,
    /// And the places, a row for each of the networks.
    to_places: Option<(Pulled, Tensor)>,
    to_ranks: Option<Ranks>,
    /// What the penalties add to every eigenvalue of the Hessian of each network: the sum of their multiples.
    shifts: Vec<f64>,
}

/// Networks whose parameters are pulled somewhere.
#[derive(Debug)]
struct Pulled {
    /// Which networks, Int64.
    networks: Tensor,
    /// The multiple of each, a column.
    factors: Tensor,
}

impl Pulled {
    /// Of networks and their multiples, if there are any.
    fn of(pulled: &[(usize, f64)], like: &Tensor) -> Option<Pulled> {
        let networks: Vec<i64> = pulled.iter().map(|(network, _)| *network as i64).collect();
        let factors: Vec<f64> = pulled.iter().map(|(_, factor)| *factor).collect();
        (!pulled.is_empty()).then(|| Pulled {
            networks: Tensor::from_slice(&networks).to_device(like.device()),
            factors: column(&factors, like),
        })
    }

    /// The parameters of these networks alone.
    fn select(&self, rows: &Tensor) -> Tensor {
        rows.index_select(0, &self.networks)
    }

    /// Adds to the gradients of these networks alone: others may have parameters of which no multiple is a number.
    fn add(&self, gradients: &Tensor, distances: Tensor) {
        let _ = gradients.shallow_clone().index_add_(0, &self.networks, &(distances * &self.factors));
    }
}

/// Networks whose parameters are pulled to others by their rank.
#[derive(Debug)]
struct Ranks {
    pulled: Pulled,
    /// For each parameter where it begins in a row, and the sorted values, a row for each of the networks.
    sorted: Vec<(i64, Tensor)>,
}

/// Whether these rules of a method are followed together with those of others.
pub(crate) fn follows_together(rules: &Rules) -> bool {
    are_followed(&rules.penalties, rules.gradient_rule.as_deref(), rules.second_pass.as_deref(), &rules.surgeries)
}

fn are_followed(
    penalties: &[Box<dyn Penalty>],
    gradient_rule: Option<&dyn GradientRule>,
    second_pass: Option<&dyn SecondPass>,
    surgeries: &[Box<dyn Surgery>],
) -> bool {
    gradient_rule.is_none()
        && second_pass.is_none()
        && surgeries.iter().all(|surgery| surgery.intervention() == Intervention::Reset)
        && penalties.iter().all(|penalty| penalty.pull().is_some())
}

impl RulesTogether {
    /// Those of learners, none where one of them has a rule that is its own affair: an intervention in the midst of training, a
    /// gradient rule, a second pass, another penalty, an optimizer that steps alone.
    pub(crate) fn of(learners: &mut [&mut Learner], stack: &Stack) -> Option<RulesTogether> {
        let _guard = tch::no_grad_guard();
        let is_plain = |learner: &Learner| {
            learner.schedule.scope() == Scope::Layer
                && are_followed(
                    &learner.penalties,
                    learner.gradient_rule.as_deref(),
                    learner.second_pass.as_deref(),
                    &learner.surgeries,
                )
        };
        if !learners.iter().all(|learner| is_plain(learner)) {
            return None;
        }
        let (mut to_zero, mut places, mut ranks, mut shifts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (network, learner) in learners.iter().enumerate() {
            let [mut zero, mut place, mut rank] = [0.0; 3];
            let mut targets = None;
            for pull in learner.penalties.iter().filter_map(|penalty| penalty.pull()) {
                match pull {
                    Pull::Zero(factor) => zero += factor,
                    Pull::Places(factor, to) => {
                        place += factor;
                        targets = Some(row_of(to).to_kind(stack.rows().kind()));
                    }
                    Pull::Ranks(factor, to) => {
                        let sorted: Vec<Tensor> = to.iter().map(|values| values.flatten(0, -1)).collect();
                        rank += factor;
                        ranks.push((network, factor, sorted));
                    }
                }
            }
            shifts.push(zero + place + rank);
            if zero != 0.0 {
                to_zero.push((network, zero));
            }
            if let Some(targets) = targets {
                places.push(((network, place), targets));
            }
        }
        let (to_places, targets): (Vec<(usize, f64)>, Vec<Tensor>) = places.into_iter().unzip();
        let memory = lay_together(learners, stack)?;
        Some(RulesTogether {
            memory,
            to_zero: Pulled::of(&to_zero, stack.rows()),
            to_places: Pulled::of(&to_places, stack.rows()).map(|pulled| (pulled, Tensor::stack(&targets, 0))),
            to_ranks: Ranks::of(&ranks, stack),
            shifts,
        })
    }

    /// Adds the penalties to the gradients, R x P.
    fn add_penalties(&self, stack: &Stack, gradients: &Tensor) {
        let rows = stack.rows();
        if let Some(pulled) = &self.to_zero {
            pulled.add(gradients, pulled.select(rows));
        }
        if let Some((pulled, targets)) = &self.to_places {
            pulled.add(gradients, pulled.select(rows) - targets);
        }
        if let Some(ranks) = &self.to_ranks {
            ranks.pull(rows, gradients);
        }
    }

    /// An update that is not measured, from the gradients of the mean cross-entropies, R x P.
    pub(crate) fn update(&mut self, learners: &mut [&mut Learner], stack: &Stack, gradients: &Tensor) {
        let _guard = tch::no_grad_guard();
        self.add_penalties(stack, gradients);
        self.step(learners, stack, gradients);
    }

    /// Lets every learner's optimizer make its step, from the gradients of the total losses.
    fn step(&mut self, learners: &mut [&mut Learner], stack: &Stack, gradients: &Tensor) {
        let rows = stack.rows();
        let numbers: Vec<Vec<Vec<f64>>> = learners.iter_mut().map(|learner| learner.begin_step()).collect();
        // All of them go to the device at once, and nothing waits until they are there.
        let flat: Vec<f64> = numbers.iter().flatten().flatten().copied().collect();
        let there = Tensor::from_slice(&flat).to_kind(rows.kind()).view([numbers.len() as i64, -1, 1]);
        let there = there.to_device_(rows.device(), rows.kind(), true, false);
        let mut places = 0..;
        for (own, (first, length)) in numbers[0].iter().zip(stack.extents()) {
            let numbers: Vec<Tensor> = places.by_ref().take(own.len()).map(|place| there.select(1, place)).collect();
            let part = |all: &Tensor| all.narrow(1, first, length);
            let mut memory: Vec<Tensor> = self.memory.iter().map(part).collect();
            learners[0].optimizer.step_together(&mut part(rows), &part(gradients), &mut memory, &numbers);
        }
    }
}

impl RulesTogether {
    /// Whether what is measured of these networks can be found together: they are linear between kinks.
    pub(crate) fn measures(networks: &[LayerChain]) -> bool {
        networks.iter().all(|network| network.is_piecewise_linear())
    }

    /// A measured update: what is found of every layer, each learner's decisions, the steps, and the indicators of the update.
    /// `labels` are R x B.
    pub(crate) fn measured_update(
        &mut self,
        learners: &mut [&mut Learner],
        stack: &Stack,
        (pass, backward): (&StackedPass, &StackedBackward),
        labels: &Tensor,
        progress: Progress,
    ) -> Vec<Measured> {
        let _guard = tch::no_grad_guard();
        let (gradients, extents) = (backward.rows(), stack.extents());
        let of_cross_entropy = squared_norms(gradients, &extents);
        let variances = noise_variances(pass, backward, &of_cross_entropy);
        self.add_penalties(stack, gradients);
        let of_total = squared_norms(gradients, &extents);
        let (lanczos, batch) = (learners[0].measure.lanczos, pass.logits().size()[1] as usize);
        let curvatures = {
            let (mut generators, networks): (Vec<_>, Vec<_>) = learners
                .iter_mut()
                .map(|learner| {
                    let Learner { probe, model, .. } = &mut **learner;
                    (probe.generator(), model.chain().expect("networks in a stack are chains"))
                })
                .unzip();
            curvatures(&networks, pass, lanczos, &mut generators)
        };
        self.take_sums(learners, &extents);
        let mut layers = Vec::with_capacity(learners.len());
        for (network, (learner, curvatures)) in learners.iter_mut().zip(curvatures).enumerate() {
            let found = curvatures.into_iter().zip(&of_total[network]).zip(&variances[network]);
            let found = found.map(|((curvature, &gradient_sq_norm), &variance)| LayerFindings {
                curvature: curvature.shifted(self.shifts[network]),
                gradient_sq_norm,
                noise_variance: Some(variance),
            });
            layers.push(learner.take_in(found.collect(), batch, progress));
        }
        let before = stack.rows().copy();
        self.step(learners, stack, gradients);
        let mean = |rows: &Tensor| rows.abs().mean_dim([1i64].as_slice(), false, Kind::Double);
        let of_losses = |pass: &StackedPass| CrossEntropy::of(pass.logits(), labels).mean().to_kind(Kind::Double);
        let after = of_losses(&stack.again(&chains(learners), pass));
        let summaries = by_network(&[mean(&(stack.rows() - &before)), mean(&before), of_losses(pass), after]);
        let of_learner = |(network, (learner, layers)): (usize, (&mut &mut Learner, Vec<LayerMeasurement>))| {
            let [mean_absolute_update, mean_absolute_weight, loss, after] = summaries[network][..] else {
                panic!("four numbers of each network")
            };
            let (_, trace) = pass.trace(network);
            let deltas = backward.of(network, learner.model.layers()).deltas;
            let own: Vec<_> = layers.iter().map(|layer| layer.statistics.gradient()).collect();
            let summary = UpdateSummary { mean_absolute_update, mean_absolute_weight };
            let indicators = learner.read_measured_indicators(&trace, &deltas, &own, Some(summary), [loss, after]);
            Measured { layers, indicators }
        };
        learners.iter_mut().zip(layers).enumerate().map(of_learner).collect()
    }

    /// Lets the optimizers know the sums over their memory.
    fn take_sums(&self, learners: &mut [&mut Learner], extents: &[(i64, i64)]) {
        let sum = |rows: &Tensor, first: i64, length: i64| {
            rows.narrow(1, first, length).sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
        };
        let weights: Vec<i64> = learners[0].model.layers().iter().map(|layer| layer.weight().numel() as i64).collect();
        let of_memory = |rows: &Tensor| {
            let of_layer =
                |(&(first, length), &weight): (&(i64, i64), &i64)| [sum(rows, first, weight), sum(rows, first, length)];
            by_network(&extents.iter().zip(&weights).flat_map(of_layer).collect::<Vec<Tensor>>())
        };
        let sums: Vec<Vec<Vec<f64>>> = self.memory.iter().map(of_memory).collect();
        for (network, learner) in learners.iter_mut().enumerate() {
            let pairs = |sums: &Vec<Vec<f64>>| sums[network].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            learner.optimizer.take_sums(&sums.iter().map(pairs).collect::<Vec<Vec<[f64; 2]>>>());
        }
    }
}

impl Ranks {
    /// Of networks, each with its multiple and the sorted values of its parameters.
    fn of(pulled: &[(usize, f64, Vec<Tensor>)], stack: &Stack) -> Option<Ranks> {
        let (_, _, parameters) = pulled.first()?;
        let mut first = 0;
        let sorted = (0..parameters.len()).map(|parameter| {
            let own: Vec<&Tensor> = pulled.iter().map(|(_, _, sorted)| &sorted[parameter]).collect();
            let values = Tensor::stack(&own, 0);
            let begin = first;
            first += values.size()[1];
            (begin, values)
        });
        let networks: Vec<(usize, f64)> = pulled.iter().map(|(network, factor, _)| (*network, *factor)).collect();
        Some(Ranks { sorted: sorted.collect(), pulled: Pulled::of(&networks, stack.rows())? })
    }

    fn pull(&self, rows: &Tensor, gradients: &Tensor) {
        let own = self.pulled.select(rows);
        for (first, targets) in &self.sorted {
            let length = targets.size()[1];
            let (values, places) = own.narrow(1, *first, length).sort(1, false);
            let distances = values - targets;
            let at_places = distances.zeros_like().scatter(1, &places, &distances);
            self.pulled.add(&gradients.narrow(1, *first, length), at_places);
        }
    }
}

/// Lays the memory of all optimizers into one tensor for each sort of it, R x P; none where one of them steps alone.
fn lay_together(learners: &mut [&mut Learner], stack: &Stack) -> Option<Vec<Tensor>> {
    let (mut own, mut layers) = (Vec::with_capacity(learners.len()), Vec::with_capacity(learners.len()));
    for learner in learners {
        let Learner { model, optimizer, .. } = &mut **learner;
        layers.push(model.layers());
        own.push(optimizer.memory_mut()?);
    }
    let like = *layers.first()?;
    let sorts = own.first()?.first()?.len();
    if own.iter().flatten().any(|memory| memory.len() != sorts) {
        return None;
    }
    let together = (0..sorts).map(|sort| {
        let row = |memory: &Vec<Vec<&mut Tensor>>| row_of(memory.iter().map(|of| &*of[sort]));
        let rows = Tensor::stack(&own.iter().map(row).collect::<Vec<Tensor>>(), 0);
        for (network, memory) in own.iter_mut().enumerate() {
            let parts = split_row(&rows.get(network as i64), like).into_iter().flatten();
            memory.iter_mut().zip(parts).for_each(|(of, part)| *of[sort] = part);
        }
        rows
    });
    let together: Vec<Tensor> = together.collect();
    debug_assert!(together.iter().all(|rows| rows.size() == stack.rows().size()));
    Some(together)
}

/// The networks of some learners.
fn chains<'a>(learners: &'a [&mut Learner]) -> Vec<LayerChain<'a>> {
    learners.iter().map(|learner| learner.model.chain().expect("networks in a stack are chains")).collect()
}

/// Numbers as R x 1, with the type and the device of others.
fn column(numbers: &[f64], like: &Tensor) -> Tensor {
    Tensor::from_slice(numbers).to_kind(like.kind()).to_device(like.device()).unsqueeze(1)
}

impl Learner {
    /// Takes in what was found of its layers, forms the bounds and lets the schedule act.
    fn take_in(&mut self, found: Vec<LayerFindings>, batch: usize, progress: Progress) -> Vec<LayerMeasurement> {
        let Learner { probe, optimizer, schedule, .. } = self;
        let (optimizer, rates) = (optimizer.as_ref(), schedule.learning_rates());
        let of_layer = |(layer, found)| probe.take_in(layer, batch, found, optimizer, rates);
        let statistics: Vec<LayerStatistics> = found.into_iter().enumerate().map(of_layer).collect();
        self.control(statistics, None, progress)
    }

    /// Counts an update whose step is made together with others, and returns its optimizer's numbers for each layer.
    fn begin_step(&mut self) -> Vec<Vec<f64>> {
        self.updates += 1;
        self.optimizer.begin_step(self.schedule.learning_rates())
    }
}
