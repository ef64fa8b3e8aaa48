using HotModel.Service;
using HotModel.Switching;

namespace HotModel.Tests.Service;

public sealed class SupervisorWordTests
{
    private static readonly TimeSpan LoadLimit = TimeSpan.FromSeconds(600);

    private static SwitchStatus At(string phase, string? active = "a", string? goal = null, string? error = null) => new()
    {
        Phase = phase,
        ActiveModel = active,
        GoalModel = goal,
        Switching = goal is not null,
        InflightChats = 0,
        WaitingChats = 0,
        LastError = error,
    };

    private static List<string?> Messages(params SwitchStatus[] states)
    {
        var told = default(SupervisorWord);
        List<string?> all = [];
        foreach (var state in states)
        {
            (told, var message) = told.Next(state, LoadLimit);
            all.Add(message);
        }
        return all;
    }

    [Fact]
    public void Ready_is_said_once_and_only_when_the_first_model_answers() => Assert.Equal(
        [
            "STATUS=Loading a",
            "EXTEND_TIMEOUT_USEC=660000000",
            "READY=1\nSTATUS=a answers",
            "STATUS=Running answers of a end, then b comes",
            "STATUS=Unloading, then b comes",
            null,
            "STATUS=Loading b",
            "STATUS=b answers",
        ],
        Messages(
            At("backing_off"), At("loading", goal: "a"), At("ready"), At("draining", goal: "b"), At("unloading", goal: "b"),
            At("settling", goal: "b"), At("loading", goal: "b"), At("ready", "b")));

    [Fact]
    public void Server_without_a_model_to_load_is_ready() =>
        Assert.Equal(["READY=1\nSTATUS=No model is loaded"], Messages(At("idle", active: null)));

    [Fact]
    public void First_load_that_fails_is_told_and_does_not_keep_the_service_from_being_ready() => Assert.Equal(
        [
            "STATUS=Loading a",
            "EXTEND_TIMEOUT_USEC=660000000",
            "READY=1\nSTATUS=a is not loaded, and is tried again: no such file: a.gguf; see the log",
            "STATUS=Loading a",
        ],
        Messages(
            At("backing_off"), At("loading", goal: "a"), At("backing_off", error: "no such file: a.gguf;\nsee the log"),
            At("loading", goal: "a")));

    [Fact]
    public void Stop_asks_for_the_time_that_it_may_take() => Assert.Equal(
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=140000000\nSTATUS=Stopping: running answers end, conversations are saved",
        SupervisorWord.Stopping(TimeSpan.FromSeconds(20)));
}
