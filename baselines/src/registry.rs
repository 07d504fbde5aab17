//! The parts of methods and the indicators that there are. To add one, write its file and name it here.

use crate::indicator::{self, Definition, Indicator};
use crate::part::Part;
use crate::{activation, gradient_rule, normalization, penalty, second_pass, surgery};

/// Every part that a configuration can name.
pub const PARTS: &[&Part] = &[
    &activation::relu::PART,
    &activation::crelu::PART,
    &activation::leaky_relu::PART,
    &activation::tanh::PART,
    &activation::identity::PART,
    &normalization::layer_norm::PART,
    &normalization::batch_norm::PART,
    &penalty::l2_adam::PART,
    &penalty::l2_loss::PART,
    &penalty::adamw::PART,
    &penalty::wasserstein::PART,
    &penalty::spectral::PART,
    &penalty::l2_init::PART,
    &penalty::anti_regularization::PART,
    &gradient_rule::clipping::PART,
    &gradient_rule::normalization::PART,
    &surgery::shrink_perturb::PART,
    &surgery::redo::PART,
    &surgery::continual_backprop::PART,
    &surgery::reset::PART,
    &activation::deep_fourier::PART,
    &penalty::parseval::PART,
    &second_pass::effective_rank::PART,
    &second_pass::sharpness_aware::PART,
    &surgery::upgd::PART,
    &surgery::weight_clipping::PART,
    &surgery::normalize_and_project::PART,
    &surgery::self_normalized_resets::PART,
    &surgery::dash::PART,
    &surgery::hare_tortoise::PART,
    &surgery::fire::PART,
];

/// The part of that name.
pub fn part(name: &str) -> Option<&'static Part> {
    PARTS.iter().copied().find(|part| part.name == name)
}

/// Every indicator that is computed from the network, in the order of the columns.
pub const INDICATORS: &[&dyn Indicator] = &[
    &indicator::hessian_rank::HessianRank,
    &indicator::hessian_spectral_rank::HessianSpectralRank,
    &indicator::sharpness::Sharpness,
    &indicator::weight_norm::WeightNorm,
    &indicator::weight_norm_l2::WeightNormL2,
    &indicator::gradient_norm::GradientNorm,
    &indicator::gradient_confidence::GradientConfidence,
    &indicator::update_norm::UpdateNorm,
    &indicator::update_to_weight::UpdateToWeight,
    &indicator::unit_sign_entropy::UnitSignEntropy,
    &indicator::dead_units::DeadUnits,
    &indicator::effective_rank::EffectiveRank,
    &indicator::stable_rank::StableRank,
    &indicator::dormant_units::AT_0_01,
    &indicator::dormant_units::AT_0_025,
    &indicator::dormant_units::AT_0_1,
    &indicator::sample_plasticity::SamplePlasticity,
    &indicator::ntk_effective_rank::NtkEffectiveRank,
    &indicator::ntk_condition_number::NtkConditionNumber,
    &indicator::weight_rank::WeightRank,
    &indicator::weight_smallest_singular_value::WeightSmallestSingularValue,
    &indicator::weight_isometry_distance::WeightIsometryDistance,
    &indicator::distance_from_initialisation::DistanceFromInitialisation,
    &indicator::feature_norm::FeatureNorm,
    &indicator::hessian_epsilon_rank::HessianEpsilonRank,
];

/// The definitions of [`INDICATORS`].
pub fn definitions() -> impl Iterator<Item = Definition> {
    INDICATORS.iter().map(|indicator| indicator.definition())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_is_found_by_its_name_and_its_defaults_build() {
        for entry in PARTS {
            assert_eq!(part(entry.name).unwrap().about, entry.about, "another part is called {}", entry.name);
            let (_, used) = entry.build(entry.default_options()).unwrap();
            assert_eq!(used, entry.default_options());
        }
    }

    #[test]
    fn a_coefficient_of_zero_is_refused_by_name() {
        let with_coefficient = PARTS.iter().filter(|part| part.default_options().get("coefficient").is_some());
        assert!(with_coefficient.clone().count() >= 7);
        for part in with_coefficient {
            for bad in [json!(0.0), json!(-1.0)] {
                let message = part.build(json!({ "coefficient": bad })).unwrap_err().to_string();
                assert!(message.contains("`coefficient` is") && message.contains("above 0"), "{message}");
            }
        }
    }

    #[test]
    fn impossible_options_are_refused_by_name() {
        for (name, options, message) in [
            ("leaky_relu", json!({ "slope": 0.0 }), "`slope` is 0, expected above 0 and below 1"),
            ("leaky_relu", json!({ "slope": 1.0 }), "`slope` is 1, expected above 0 and below 1"),
            ("layer_norm", json!({ "epsilon": 0.0 }), "`epsilon` is 0, expected a finite number above 0"),
            ("batch_norm", json!({ "epsilon": -1.0 }), "`epsilon` is -1, expected a finite number above 0"),
            ("batch_norm", json!({ "momentum": 0.0 }), "`momentum` is 0, expected above 0 and at most 1"),
            ("batch_norm", json!({ "momentum": 1.5 }), "`momentum` is 1.5, expected above 0 and at most 1"),
            ("gradient_clipping", json!({ "max_norm": 0.0 }), "`max_norm` is 0, expected a finite number above 0"),
            ("anti_regularization", json!({ "clip": 1.0 }), "`clip` is 1, expected between 0 and 1, both excluded"),
            ("anti_regularization", json!({ "radius": 0.9 }), "`radius` is 0.9, expected a finite number, 1 or above"),
            ("shrink_perturb", json!({ "shrink": 0.0 }), "`shrink` is 0, expected above 0 and at most 1"),
            ("shrink_perturb", json!({ "scale": -0.1 }), "`scale` is -0.1, expected a finite number, 0 or above"),
            ("shrink_perturb", json!({ "per": "update", "scale": 0.1 }), "`shrink` is left out, expected a number"),
            ("shrink_perturb", json!({ "per": "update", "shrink": 0.1 }), "`scale` is left out, expected a number"),
            ("redo", json!({ "threshold": 1.0 }), "`threshold` is 1, expected at least 0 and below 1"),
            ("redo", json!({ "period": 0 }), "`period` is 0, expected \"task\" or a number of updates above 0"),
            ("redo", json!({ "period": "epoch" }), "invalid value, expected \"task\" or a number of updates"),
            ("redo", json!({ "samples": 0 }), "`samples` is 0, expected at least 1"),
            ("continual_backprop", json!({ "rate": 0.0 }), "`rate` is 0, expected above 0 and at most 1"),
            ("continual_backprop", json!({ "decay": 1.0 }), "`decay` is 1, expected at least 0 and below 1"),
            ("parseval", json!({ "scale": 0.0 }), "`scale` is 0, expected a finite number above 0"),
            ("l2_er", json!({ "rank_coefficient": 0.0 }), "`rank_coefficient` is 0, expected a finite number above 0"),
            ("sharpness_aware", json!({ "rho": -1.0 }), "`rho` is -1, expected a finite number above 0"),
            ("upgd", json!({ "decay": 1.0 }), "`decay` is 1, expected at least 0 and below 1"),
            (
                "upgd",
                json!({ "noise": 0.0, "protect": false }),
                "`noise` is 0, expected above 0 where `protect` is false",
            ),
            ("weight_clipping", json!({ "kappa": 0.0 }), "`kappa` is 0, expected a finite number above 0"),
            ("normalize_and_project", json!({ "epsilon": 0.0 }), "`epsilon` is 0, expected a finite number above 0"),
            ("self_normalized_resets", json!({ "rejection": 1.0 }), "`rejection` is 1, expected above 0 and below 1"),
            ("dash", json!({ "lambda": 1.0 }), "`lambda` is 1, expected at least 0 and below 1"),
            ("dash", json!({ "batch_size": 0 }), "`batch_size` is 0, expected at least 1"),
            ("hare_tortoise", json!({ "momentum": 1.0 }), "`momentum` is 1, expected above 0 and below 1"),
            (
                "hare_tortoise",
                json!({ "period": 0 }),
                "`period` is 0, expected \"task\" or a number of updates above 0",
            ),
            ("fire", json!({ "iterations": 0 }), "`iterations` is 0, expected from 1 to 100"),
        ] {
            let found = part(name).unwrap().build(options).unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
    }
}
