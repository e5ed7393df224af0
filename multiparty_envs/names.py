"""Where the public names live, so that each is imported when it is first used."""

PARTS = (
    *("checks", "data", "dynamics", "envs", "faces", "feedback", "parties", "rewards"),
    *("streams", "text", "welfare", "wrappers"),
)

_NAMES = {
    "data": "ChoicePanel",
    "dynamics": "Dynamics FiniteMDP FiniteState Names View",
    "faces": "PartyEnv PartyVectorEnv TensorEnv TensorStep collect offline",
    "feedback": "Comparisons Feedback Rankings Segments Steps",
    "parties": "BradleyTerryLuce ChoiceModel PlackettLuce Population PreferenceMatrices Ratings",
    "rewards": "Hierarchical Independent LowRank Mixture Pessimistic Pooled "
    "PreferenceCounts RewardLearner make_learner",
    "streams": "Draw Streams",
    "welfare": "GeneralizedGini GeneralizedMean Isoelastic Leximin MaxMin Nash Scale "
    "Utilitarian Welfare make_welfare",
    "wrappers": "LearnedReward LearnedRewardVector RecordPartyReturns "
    "RecordPartyReturnsVector WelfareReward WelfareRewardVector",
}
HOME = {name: part for part, names in _NAMES.items() for name in names.split()}
"""Public name to the part of the package that holds it; type checkers read `__init__` instead."""
