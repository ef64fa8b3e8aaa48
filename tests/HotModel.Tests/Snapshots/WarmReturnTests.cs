using System.Text.Json.Nodes;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Api;
using HotModel.Tests.Llama;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Snapshots;

/// <summary>Against a server of one slot that holds 600 tokens and writes a file of six bytes.</summary>
public sealed class WarmReturnTests : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly SnapshotState state = new();
    private readonly TaskCompletionSource saving = new();
    private readonly WarmReturn warm;
    private readonly ModelConfig model;
    private WebApplication? server;
    private bool holdsSaves;

    public WarmReturnTests()
    {
        warm = new WarmReturn(state.Keeper, state.Store, TimeProvider.System, NullLogger<WarmReturn>.Instance);
        var path = Path.Combine(state.State.Path, "model.gguf");
        File.WriteAllText(path, "no real one");
        model = LlamaServer.Model("m", path);
    }

    [Fact]
    public async Task What_breaks_costs_neither_a_switch_nor_a_request()
    {
        state.Session("talk");
        var upstream = await LoadAsync();
        // Every look at it throws from now on.
        state.Store.Dispose();
        Assert.Null(await warm.TakeAsync(upstream, "talk", goesOn: true, default));
        Assert.Null(await warm.LeavingAsync(default));
        Assert.Null(await warm.LoadedAsync(model, upstream, default));
    }

    [Fact]
    public async Task Stop_in_the_middle_of_saving_saves_what_is_left()
    {
        state.Session("talk");
        var upstream = await LoadAsync();
        using (var slot = await warm.TakeAsync(upstream, "talk", goesOn: true, default))
            slot!.Answered(new AnswerTimings(0, 600, 1, 1));
        holdsSaves = true;
        using var stop = new CancellationTokenSource();
        var leaving = warm.LeavingAsync(stop.Token);
        await saving.Task.WaitAsync(Soon);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        holdsSaves = false;
        Assert.Equal(1, (await warm.LeavingAsync(default))!.Count);
        Assert.Null(await warm.LeavingAsync(default));
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        await state.DisposeAsync();
    }

    private async Task<Upstream> LoadAsync()
    {
        server = await ChatHost.ServeAsync(AnswerAsync);
        var upstream = new Upstream(ChatHost.AddressOf(server), "m", null) { Arguments = ["llama-server"] };
        Assert.Null(await warm.LoadedAsync(model, upstream, default));
        return upstream;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        JsonNode answer = context.Request.Path.Value switch
        {
            "/props" => new JsonObject
            {
                ["build_info"] = "b1",
                ["total_slots"] = 1,
                ["default_generation_settings"] = new JsonObject { ["n_ctx"] = 4096 },
            },
            "/slots" => new JsonArray(new JsonObject
            {
                ["id"] = 0,
                ["is_processing"] = false,
                ["n_prompt_tokens"] = 600,
            }),
            _ => await SaveAsync(context),
        };
        await context.Response.WriteAsync(answer.ToJsonString());
    }

    private async Task<JsonNode> SaveAsync(HttpContext context)
    {
        var file = (string)(await JsonNode.ParseAsync(context.Request.Body))!["filename"]!;
        saving.TrySetResult();
        if (holdsSaves)
            await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
        await File.WriteAllTextAsync(Path.Combine(state.Folder, file), "tokens");
        return new JsonObject { ["n_saved"] = 600, ["n_written"] = 6 };
    }
}
