using HotModel.Llama;
using ZLogger;

namespace HotModel.Switching;

/// <summary>Event ids 100 to 119.</summary>
internal static partial class SwitchLog
{
    [ZLoggerMessage(100, LogLevel.Information, "{from} -> {to} on {cause}: active {active}, goal {goal}")]
    public static partial void Phase(
        ILogger logger, string from, string to, SwitchEventKind cause, string? active, string? goal);

    [ZLoggerMessage(101, LogLevel.Information, "Switch to {model}: {outcome} after {seconds} s. {error}")]
    public static partial void Switched(
        ILogger logger, string model, SwitchOutcome outcome, double seconds, string? error);

    [ZLoggerMessage(102, LogLevel.Error, "Loading {model} failed ({reason}): {error}")]
    public static partial void LoadFailed(ILogger logger, string? model, LoadFailureReason reason, string error);

    [ZLoggerMessage(103, LogLevel.Error, "The model {model} was lost ({reason}): {error}")]
    public static partial void ModelLost(ILogger logger, string? model, LoadFailureReason reason, string error);

    [ZLoggerMessage(104, LogLevel.Critical, "The switch loop ends: a bug, or the system refuses to work.")]
    public static partial void Broken(ILogger logger, Exception cause);

    [ZLoggerMessage(105, LogLevel.Warning,
        "Saving conversations took longer than {seconds} s: the stop goes on without the rest")]
    public static partial void StopSaveTimedOut(ILogger logger, double seconds);
}
