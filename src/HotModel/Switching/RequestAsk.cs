using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>What a request wants of the gate.</summary>
internal sealed record RequestAsk
{
    /// <summary>The active model, whatever it is.</summary>
    public static readonly RequestAsk Active = new();

    /// <summary>Configured name; null: the active one.</summary>
    public string? Model { get; init; }
    public RequestIntent Intent { get; init; }
    /// <summary>Its own bound on waiting; null: the configured one.</summary>
    public TimeSpan? Patience { get; init; }
}
