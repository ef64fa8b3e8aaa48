using System.Text.Json.Nodes;
using System.Threading.Channels;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Api;
using HotModel.Tests.Llama;
using HotModel.Tests.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Prefill;

/// <summary>
/// Evaluating ahead against a server of one slot whose template writes every message's content in order, and whose
/// tokenizer makes a token of every character.
/// </summary>
internal sealed class PrefillScene : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly Channel<Piece> pieces = Channel.CreateUnbounded<Piece>();
    private readonly StateFolder state = new();
    private readonly Forwarder forwarder = new(TimeProvider.System);
    private readonly SnapshotKeeper keeper;
    private readonly string model;
    private WebApplication server = null!;
    private int held;

    private PrefillScene()
    {
        Store = state.Open();
        model = Path.Combine(state.Path, "model.gguf");
        File.WriteAllText(model, "no real one");
        HotModelConfig config = TestConfig.Create();
        keeper = new SnapshotKeeper(config.Snapshots, Path.Combine(state.Path, "snapshots"), Store, state.Time,
            NullLogger.Instance);
        Warm = new WarmReturn(
            keeper, Store, new ReturnGain(), _ => null, TimeProvider.System, NullLogger<WarmReturn>.Instance);
        Ahead = new PrefillAhead(new NextPrompt(config, Store, forwarder, TimeProvider.System), Warm, Quiet, forwarder,
            TimeSpan.FromSeconds(300), state.Time, NullLogger<PrefillAhead>.Instance);
    }

    public SessionStore Store { get; }
    public WarmReturn Warm { get; }
    public QuietTime Quiet { get; } = new();
    public PrefillAhead Ahead { get; }
    public Upstream Upstream { get; private set; } = null!;
    /// <summary>Bodies of /apply-template.</summary>
    public List<string> Templated { get; } = [];
    /// <summary>Each piece waits for <see cref="Piece.Go"/>.</summary>
    public bool HoldsPieces { get; set; }
    public TimeSpan PieceTime { get; set; }

    public static async Task<PrefillScene> StartAsync()
    {
        var scene = new PrefillScene();
        scene.server = await ChatHost.ServeAsync(scene.AnswerAsync);
        scene.Upstream = new Upstream(ChatHost.AddressOf(scene.server), "m", null) { Arguments = ["llama-server"] };
        return scene;
    }

    /// <summary>Loads the model; the slot then has what was restored of the last conversation.</summary>
    public async Task LoadAsync(int restored = 0)
    {
        Assert.Null(await Warm.LoadedAsync(LlamaServer.Model("m", model), Upstream, default));
        held = restored;
        if (restored > 0)
        {
            using var slot = await Warm.TakeAheadAsync(Upstream, Store.LatestSession()!.Value.Id, default);
            slot!.EvaluatedAhead(new AnswerTimings(0, restored, 0, 0), MessageHash.Start);
        }
        Ahead.Begin(Upstream, restored);
    }

    /// <summary>A turn of a conversation that is stored.</summary>
    public async Task SayAsync(string session, params ChatMessage[] messages)
    {
        state.Time.Advance(TimeSpan.FromSeconds(1));
        using var turn = await new Conversations(Store, state.Time).BeginAsync(session, messages[..^1], Soon, default);
        Assert.Equal(AppendStatus.Stored, turn!.Complete(messages[^1].Json, "m").Status);
    }

    /// <summary>Another conversation's request comes and goes; the slot then has so much of that.</summary>
    public async Task AnswerOtherAsync(int tokens)
    {
        using var slot = await Warm.TakeAsync(Upstream, "other", goesOn: false, default);
        Assert.Equal(0, slot!.Slot);
        slot.Answered(new AnswerTimings(0, tokens, 1, 1));
        held = 0;
    }

    public void Advance(TimeSpan time) => state.Time.Advance(time);

    public async Task<Piece> PieceAsync() => await pieces.Reader.ReadAsync().AsTask().WaitAsync(Soon);

    /// <summary>The lengths of the prompts of all pieces that came until it was over.</summary>
    public async Task<List<int>> RestAsync()
    {
        await Ahead.Finished.WaitAsync(Soon);
        var lengths = new List<int>();
        while (pieces.Reader.TryRead(out var piece))
            lengths.Add(piece.Tokens);
        return lengths;
    }

    public async ValueTask DisposeAsync()
    {
        // A piece that is still held ends with its connection.
        var ended = Ahead.EndAsync();
        state.Time.Advance(TimeSpan.FromSeconds(1));
        await ended.WaitAsync(Soon);
        await server.DisposeAsync();
        forwarder.Dispose();
        await keeper.DisposeAsync();
        Store.Dispose();
        state.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        JsonNode? body = context.Request.ContentLength > 0
            ? await JsonNode.ParseAsync(context.Request.Body) : null;
        JsonNode? answer = context.Request.Path.Value switch
        {
            "/props" => new JsonObject
            {
                ["build_info"] = "b1",
                ["total_slots"] = 1,
                ["default_generation_settings"] = new JsonObject { ["n_ctx"] = 4096 },
            },
            "/slots" => new JsonArray(new JsonObject { ["id"] = 0, ["is_processing"] = false }),
            "/apply-template" => Template(body!),
            "/tokenize" => new JsonObject
            {
                ["tokens"] = new JsonArray([.. ((string)body!["content"]!).Select(letter => JsonValue.Create((int)letter))]),
            },
            "/completion" => await EvaluateAsync(context, body!),
            _ => null,
        };
        context.Response.StatusCode = answer is null ? 501 : 200;
        await context.Response.WriteAsync((answer ?? new JsonObject()).ToJsonString());
    }

    private JsonObject Template(JsonNode body)
    {
        lock (Templated)
            Templated.Add(body.ToJsonString());
        return new() { ["prompt"] = string.Concat(body["messages"]!.AsArray().Select(message => (string?)message!["content"])) };
    }

    private async Task<JsonNode> EvaluateAsync(HttpContext context, JsonNode body)
    {
        var tokens = body["prompt"]!.AsArray();
        var piece = new Piece(tokens.Count, body.ToJsonString(), context.RequestAborted);
        if (!HoldsPieces)
            piece.Go();
        pieces.Writer.TryWrite(piece);
        await piece.Going.WaitAsync(context.RequestAborted);
        state.Time.Advance(PieceTime);
        var cached = Math.Min(held, tokens.Count);
        held = tokens.Count;
        return new JsonObject
        {
            ["timings"] = new JsonObject
            {
                ["cache_n"] = cached,
                ["prompt_n"] = tokens.Count - cached,
                ["predicted_n"] = 0,
                ["prompt_ms"] = PieceTime.TotalMilliseconds,
            },
        };
    }
}

/// <summary>A request for evaluation that the server has.</summary>
internal sealed class Piece(int tokens, string body, CancellationToken closed)
{
    private readonly TaskCompletionSource going = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Tokens { get; } = tokens;
    public string Body { get; } = body;
    public Task Going => going.Task;

    public void Go() => going.SetResult();

    /// <summary>The connection was closed before an answer.</summary>
    public async Task ClosedAsync()
    {
        var ended = new TaskCompletionSource();
        using var registration = closed.Register(ended.SetResult);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }
}
