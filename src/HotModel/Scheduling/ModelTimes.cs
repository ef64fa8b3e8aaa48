namespace HotModel.Scheduling;

/// <summary>What is kept of a model's history over a restart; null: it was not measured.</summary>
internal readonly record struct ModelTimes(Estimate? Load, Estimate? Unload, Estimate? Answer);
