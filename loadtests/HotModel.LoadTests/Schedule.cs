namespace HotModel.LoadTests;

/// <summary>How long the scenarios run.</summary>
/// <param name="WarmUp">First, without being measured.</param>
/// <param name="Duration">After which no run begins; those that have begun come to their end.</param>
internal sealed record Schedule(TimeSpan WarmUp, TimeSpan Duration);
