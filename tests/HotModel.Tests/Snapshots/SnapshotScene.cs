using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Snapshots;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Snapshots;

/// <summary>The same with the real llama-server.</summary>
internal sealed class SnapshotScene : IAsyncDisposable
{
    private readonly HttpClient http = new();
    private readonly BackendScene backend = new();
    private readonly PassportOffice office = new(TimeProvider.System);
    private readonly int port = TestPorts.Next();

    public SnapshotScene(SnapshotConfig? config = null) => State = new SnapshotState(config);

    public SnapshotState State { get; }
    public SnapshotKeeper Keeper => State.Keeper;

    /// <summary>Given: the program that is started in llama-server's place.</summary>
    public string Binary { get; init; } = LlamaServer.Binary;

    /// <summary>Loads a model, or the same one anew: whatever the slots held before is gone.</summary>
    public async Task<(Upstream Upstream, Passport Passport)> LoadAsync(string path, params string[] extra)
    {
        string[] arguments =
        [
            "-c", "2048", "--parallel", "2", "--kv-unified", "--cache-ram", "0", "--no-warmup",
            "--slot-save-path", State.Folder, .. extra,
        ];
        var model = LlamaServer.Model("a", path, port) with { ExtraArgs = arguments, Binary = Binary };
        var result = await backend.Process.LoadAsync(model, 1, _ => { }, BackendScene.Soon);
        Assert.True(result.Upstream is not null, string.Join('\n', result.Failure?.LogTail ?? []));
        var passport = await office.IssueAsync(model, result.Upstream!, arguments, BackendScene.Soon);
        Assert.NotNull(passport);
        return (result.Upstream!, passport);
    }

    /// <summary>Asks with a prompt of about 300 tokens. The text, and how many tokens of the prompt were there.</summary>
    public async Task<(string Text, int Reused, int Held)> AskAsync(Upstream upstream, int slot, string about)
    {
        var answer = await SendAsync(upstream, "v1/chat/completions", new JsonObject
        {
            ["model"] = upstream.Model,
            ["id_slot"] = slot,
            ["max_tokens"] = 8,
            ["temperature"] = 0,
            ["ignore_eos"] = true,
            ["messages"] = new JsonArray(new JsonObject
            {
                ["role"] = "user",
                ["content"] = string.Join(' ', Enumerable.Repeat(about, 60)),
            }),
        });
        var slots = (await SendAsync(upstream, "slots")).AsArray();
        var timings = answer["timings"]!;
        return (answer["choices"]![0]!["message"]!["content"]!.GetValue<string>(),
            timings["cache_n"]!.GetValue<int>(), slots[slot]!["n_prompt_tokens"]!.GetValue<int>());
    }

    public Task<SaveResult> SaveAsync((Upstream Upstream, Passport Passport) to, int slot, SlotContent content) =>
        Keeper.SaveAsync(to.Upstream, to.Passport, slot, content, BackendScene.Soon);

    public Task<RestoreResult> RestoreAsync((Upstream Upstream, Passport Passport) to, int slot, long session) =>
        Keeper.RestoreAsync(
            to.Upstream, to.Passport, slot, session, isCrowded: false, BackendScene.Soon);

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await backend.DisposeAsync();
        await State.DisposeAsync();
    }

    private async Task<JsonNode> SendAsync(Upstream upstream, string path, JsonObject? body = null)
    {
        using var request = new HttpRequestMessage(
            body is null ? HttpMethod.Get : HttpMethod.Post, new Uri(upstream.BaseAddress, path));
        request.Headers.Authorization = new("Bearer", upstream.ApiKey);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request);
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<JsonNode>())!;
    }
}
