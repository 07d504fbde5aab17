//! What follows the passes of an update, for several learners at once: penalties and the optimizers' steps by a few tensor
//! operations for all of them, which is what a GPU needs.

use tch::Tensor;
use trainability_baselines::penalty::Pull;
use trainability_baselines::surgery::Intervention;

use super::learning::Learner;
use crate::model::Stack;

/// The rules of learners whose networks stand in a stack. Their optimizers' memory lies as the stack's parameters do from its
/// making on.
#[derive(Debug)]
pub(crate) struct RulesTogether {
    /// Each tensor that the optimizers keep of a parameter, R x P.
    memory: Vec<Tensor>,
    /// The multiple by which each network is pulled to 0, R x 1, if any is.
    to_zero: Option<Tensor>,
    /// The multiple by which each is pulled to other places, and these, R x P.
    to_places: Option<(Tensor, Tensor)>,
    to_ranks: Option<Ranks>,
}

/// Networks whose parameters are pulled to others by their rank.
#[derive(Debug)]
struct Ranks {
    /// Which networks, Int64.
    networks: Tensor,
    /// The multiple of each, a column.
    factors: Tensor,
    /// For each parameter where it begins in a row, and the sorted values, a row for each of the networks.
    sorted: Vec<(i64, Tensor)>,
}

impl RulesTogether {
    /// Those of learners, none where one of them has a rule that is its own affair: an intervention in the midst of training, a
    /// gradient rule, another penalty, an optimizer that steps alone.
    pub(crate) fn of(learners: &mut [&mut Learner], stack: &Stack) -> Option<RulesTogether> {
        let _guard = tch::no_grad_guard();
        let is_plain = |learner: &Learner| {
            let resets = |intervention: Intervention| intervention == Intervention::Reset;
            learner.gradient_rule.is_none()
                && learner.surgeries.iter().all(|surgery| resets(surgery.intervention()))
                && learner.penalties.iter().all(|penalty| penalty.pull().is_some())
        };
        if !learners.iter().all(|learner| is_plain(learner)) {
            return None;
        }
        let kind = stack.rows().kind();
        let column = |numbers: &[f64]| column(numbers, stack.rows());
        let (mut to_zero, mut places, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
        for (network, learner) in learners.iter().enumerate() {
            let [mut zero, mut place] = [0.0; 2];
            let mut targets = None;
            for pull in learner.penalties.iter().filter_map(|penalty| penalty.pull()) {
                match pull {
                    Pull::Zero(factor) => zero += factor,
                    Pull::Places(factor, to) => {
                        place += factor;
                        targets = Some(flat(&to));
                    }
                    Pull::Ranks(factor, to) => {
                        let sorted: Vec<Tensor> = to.iter().map(|values| values.flatten(0, -1)).collect();
                        ranks.push((network, factor, sorted));
                    }
                }
            }
            to_zero.push(zero);
            places.push((place, targets));
        }
        let factors: Vec<f64> = places.iter().map(|(factor, _)| *factor).collect();
        let anywhere = |target: Option<Tensor>| target.unwrap_or_else(|| stack.rows().get(0).zeros_like());
        let targets: Vec<Tensor> = places.into_iter().map(|(_, target)| anywhere(target)).collect();
        let memory = lay_together(learners, stack)?;
        Some(RulesTogether {
            memory,
            to_zero: to_zero.iter().any(|factor| *factor != 0.0).then(|| column(&to_zero)),
            to_places: factors
                .iter()
                .any(|factor| *factor != 0.0)
                .then(|| (column(&factors), Tensor::stack(&targets, 0).to_kind(kind))),
            to_ranks: Ranks::of(&ranks, stack),
        })
    }

    /// Adds the penalties to the gradients (R x P), and lets every learner's optimizer make its step.
    pub(crate) fn step(&mut self, learners: &mut [&mut Learner], stack: &Stack, gradients: &Tensor) {
        let _guard = tch::no_grad_guard();
        let rows = stack.rows();
        let mut gradients = gradients.shallow_clone();
        if let Some(factor) = &self.to_zero {
            let _ = gradients.g_add_(&(rows * factor));
        }
        if let Some((factor, targets)) = &self.to_places {
            let _ = gradients.g_add_(&((rows - targets) * factor));
        }
        if let Some(ranks) = &self.to_ranks {
            ranks.pull(rows, &gradients);
        }
        let numbers: Vec<Vec<Vec<f64>>> = learners.iter_mut().map(|learner| learner.begin_step()).collect();
        for (layer, (first, length)) in stack.extents().into_iter().enumerate() {
            let of_layer = |which: usize| -> Vec<f64> { numbers.iter().map(|own| own[layer][which]).collect() };
            let numbers: Vec<Tensor> =
                (0..numbers[0][layer].len()).map(|which| column(&of_layer(which), rows)).collect();
            let part = |all: &Tensor| all.narrow(1, first, length);
            let mut memory: Vec<Tensor> = self.memory.iter().map(part).collect();
            learners[0].optimizer.step_together(&mut part(rows), &part(&gradients), &mut memory, &numbers);
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
        let networks: Vec<i64> = pulled.iter().map(|(network, ..)| *network as i64).collect();
        let factors: Vec<f64> = pulled.iter().map(|(_, factor, _)| *factor).collect();
        Some(Ranks {
            sorted: sorted.collect(),
            networks: Tensor::from_slice(&networks).to_device(stack.rows().device()),
            factors: column(&factors, stack.rows()),
        })
    }

    fn pull(&self, rows: &Tensor, gradients: &Tensor) {
        let own = rows.index_select(0, &self.networks);
        for (first, targets) in &self.sorted {
            let length = targets.size()[1];
            let (values, places) = own.narrow(1, *first, length).sort(1, false);
            let distance = (values - targets) * &self.factors;
            let at_places = distance.zeros_like().scatter(1, &places, &distance);
            let _ = gradients.narrow(1, *first, length).index_add_(0, &self.networks, &at_places);
        }
    }
}

/// Lays the memory of all optimizers into one tensor for each sort of it, R x P; none where one of them steps alone.
fn lay_together(learners: &mut [&mut Learner], stack: &Stack) -> Option<Vec<Tensor>> {
    let mut own = Vec::with_capacity(learners.len());
    for learner in learners {
        own.push(learner.optimizer.memory_mut()?);
    }
    let sorts = own.first()?.first()?.len();
    let together = (0..sorts).map(|sort| {
        let row = |memory: &Vec<Vec<&mut Tensor>>| flat(&memory.iter().map(|of| &*of[sort]).collect::<Vec<&Tensor>>());
        let rows = Tensor::stack(&own.iter().map(row).collect::<Vec<Tensor>>(), 0);
        for (network, memory) in own.iter_mut().enumerate() {
            let row = rows.get(network as i64);
            let mut first = 0;
            for tensor in memory.iter_mut().map(|of| &mut *of[sort]) {
                let length = tensor.numel() as i64;
                *tensor = row.narrow(0, first, length).view(tensor.size().as_slice());
                first += length;
            }
        }
        rows
    });
    let together: Vec<Tensor> = together.collect();
    debug_assert!(together.iter().all(|rows| rows.size() == stack.rows().size()));
    Some(together)
}

/// Tensors one after the other.
fn flat(tensors: &[&Tensor]) -> Tensor {
    Tensor::cat(&tensors.iter().map(|tensor| tensor.detach().flatten(0, -1)).collect::<Vec<Tensor>>(), 0)
}

/// Numbers as R x 1, with the type and the device of others.
fn column(numbers: &[f64], like: &Tensor) -> Tensor {
    Tensor::from_slice(numbers).to_kind(like.kind()).to_device(like.device()).unsqueeze(1)
}

impl Learner {
    /// Counts an update whose step is made together with others, and returns its optimizer's numbers for each layer.
    fn begin_step(&mut self) -> Vec<Vec<f64>> {
        self.updates += 1;
        self.optimizer.begin_step(self.schedule.learning_rates())
    }
}
