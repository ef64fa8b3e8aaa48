using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What the scripted llama-server of a model has seen.</summary>
internal sealed class ScriptedUpstream(Setup setup, string model = "a") : IDisposable
{
    private readonly Api api = new(new Uri($"http://127.0.0.1:{setup.ModelPort(model)}/"));

    public async Task<ScriptCount> CountAsync(string script)
    {
        var counts = (await api.GetAsync("counts")).Json;
        return counts["scripts"]![script] is not JsonObject count ? new(0, 0, 0, 0, default) : new(
            (int)count["requests"]!, (long)count["sent"]!, (int)count["ended"]!, (int)count["left"]!,
            DateTimeOffset.FromUnixTimeMilliseconds((long)count["left_at"]!));
    }

    /// <summary>Connections so far; the one that asks is counted.</summary>
    public async Task<int> AcceptedAsync() => (int)(await api.GetAsync("counts")).Json["accepted"]!;

    /// <summary>Open connections, without the one that asks.</summary>
    public async Task<int> OpenAsync() => (int)(await api.GetAsync("counts")).Json["open"]! - 1;

    public void Dispose() => api.Dispose();
}

/// <param name="Requests">Requests of the script.</param>
/// <param name="SentBytes">What the system took of its answers.</param>
/// <param name="Ended">How often it ran to its end.</param>
/// <param name="Left">How often hotmodel closed the connection before.</param>
/// <param name="LeftAt">When it did so last.</param>
internal sealed record ScriptCount(int Requests, long SentBytes, int Ended, int Left, DateTimeOffset LeftAt);
