using System.Globalization;
using HotModel.Switching;

namespace HotModel.Service;

/// <summary>What a supervisor has been told, and what it is to be told next: lines of sd_notify(3). Pure.</summary>
/// <param name="IsReady">READY=1 was said, which is said once.</param>
/// <param name="Status">The last STATUS.</param>
internal readonly record struct SupervisorWord(bool IsReady, string? Status)
{
    /// <summary>Beyond the bound of a load: its process is ended, its memory comes back.</summary>
    private static readonly TimeSpan AfterLoad = TimeSpan.FromSeconds(60);
    /// <summary>Beyond the wait for running answers: conversations are saved, llama-server ends or is ended.</summary>
    private static readonly TimeSpan AfterAnswers = TimeSpan.FromSeconds(120);

    public const string Alive = "WATCHDOG=1";
    public const string Ready = "READY=1";

    /// <summary>
    /// Ready is who answers, who has no model to load, or who could not load the first one: then the service runs, tells why,
    /// and tries again, which being started anew would not better.
    /// </summary>
    /// <param name="now">The phase that has begun.</param>
    /// <param name="loadLimit">How long a load may take.</param>
    /// <returns>What has been told then, and the message; null: nothing is to be said.</returns>
    public (SupervisorWord Told, string? Message) Next(SwitchStatus now, TimeSpan loadLimit)
    {
        List<string> lines = [];
        var isReady = IsReady || IsSettled(now);
        if (isReady && !IsReady)
            lines.Add(Ready);
        else if (!isReady && now.Phase == "loading")
            lines.Add(Extend(loadLimit + AfterLoad));
        var status = Sentence(now);
        if (status != Status)
            lines.Add("STATUS=" + status);
        return (new SupervisorWord(isReady, status), lines.Count == 0 ? null : string.Join('\n', lines));
    }

    /// <param name="answersLimit">How long the stop waits for running answers.</param>
    public static string Stopping(TimeSpan answersLimit) =>
        $"STOPPING=1\n{Extend(answersLimit + AfterAnswers)}\nSTATUS=Stopping: running answers end, conversations are saved";

    /// <param name="now">Of CLOCK_MONOTONIC: a word of readiness that is older is not the one after this reload.</param>
    public static string Reloading(TimeSpan now) =>
        string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={now.TotalMicroseconds:0}");

    private static bool IsSettled(SwitchStatus now) => now.Phase switch
    {
        "ready" or "idle" => true,
        // Before the first load it has no error.
        "backing_off" => now.LastError is not null,
        _ => false,
    };

    private static string Sentence(SwitchStatus now) => now.Phase switch
    {
        "ready" => $"{now.ActiveModel} answers",
        "idle" => "No model is loaded",
        "backing_off" when now.LastError is { } error => $"{now.ActiveModel} is not loaded, and is tried again: {OneLine(error)}",
        "backing_off" => $"Loading {now.ActiveModel}",
        "loading" => $"Loading {now.GoalModel ?? now.ActiveModel}",
        "draining" => $"Running answers of {now.ActiveModel} end, then {now.GoalModel} comes",
        "unloading" or "settling" => now.GoalModel is { } goal ? $"Unloading, then {goal} comes" : "Unloading",
        _ => "Stopping",
    };

    /// <summary>A line of the message ends where the line ends.</summary>
    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    private static string Extend(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"EXTEND_TIMEOUT_USEC={time.TotalMicroseconds:0}");
}
