using System.Text.Json.Nodes;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Api;
using HotModel.Tests.Llama;
using HotModel.Tests.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Snapshots;

/// <summary>Against a server of one slot, whose files are of six bytes.</summary>
public sealed class WarmReturnTests : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly SnapshotState state = new();
    private readonly TaskCompletionSource saving = new();
    private readonly ReturnGain gain = new();
    private readonly ModelConfig model;
    private WarmReturn warm;
    private WebApplication? server;
    private bool holdsSaves;
    private int held = 600;
    private int inFile;

    public WarmReturnTests()
    {
        warm = New();
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
        var upstream = await AnsweredAsync();
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

    [Fact]
    public async Task Slot_whose_answer_was_cut_is_saved_with_what_it_holds()
    {
        var upstream = await AnsweredAsync();
        using (await warm.TakeAsync(upstream, "talk", goesOn: true, default))
            held = 700;
        Assert.Equal(700, (await warm.LeavingAsync(default))!.Tokens);
        // It ends in an answer that is not stored.
        Assert.False(IsCurrent());
    }

    /// <summary>llama-server refuses some requests before it looks at a slot: what stands there is another's.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Slot_of_a_request_that_was_refused_is_not_saved_as_its_own(bool hasBegun)
    {
        var upstream = await AnsweredAsync();
        await SayAsync("other");
        using (var slot = await warm.TakeAsync(upstream, "other", goesOn: true, default))
        {
            slot!.HasBegun = hasBegun;
            held = 700;
        }
        Assert.Equal(hasBegun ? 700 : null, (await warm.LeavingAsync(default))?.Tokens);
    }

    /// <summary>It has waited for the slot, and runs there when the request before it was cut.</summary>
    [Fact]
    public async Task Slot_that_a_request_of_another_route_may_have_used_is_not_saved_as_a_conversation_that_was_cut()
    {
        var upstream = await AnsweredAsync();
        using (var slot = await warm.TakeAsync(upstream, "talk", goesOn: true, default))
        {
            using var open = warm.LeaveOpen(upstream);
            slot!.Dispose();
            held = 9000;
        }
        Assert.Null(await warm.LeavingAsync(default));
    }

    [Fact]
    public async Task Slot_of_a_deleted_conversation_is_not_saved_as_a_new_one_of_its_name()
    {
        var upstream = await AnsweredAsync();
        state.Store.Delete("talk");
        await SayAsync("talk", "another question");
        Assert.Null(await warm.LeavingAsync(default));
    }

    [Fact]
    public async Task Conversation_that_went_on_elsewhere_is_not_said_to_be_saved_whole()
    {
        var upstream = await AnsweredAsync();
        await SayAsync("talk");
        Assert.Equal(600, (await warm.LeavingAsync(default))!.Tokens);
        Assert.False(IsCurrent());
    }

    [Fact]
    public async Task Conversation_that_was_evaluated_ahead_in_part_is_not_said_to_be_saved_whole()
    {
        await SayAsync("talk");
        var history = state.Store.Find("talk")!.LastHash;
        var upstream = await LoadAsync();
        foreach (var (tokens, covered) in new[] { (600, MessageHash.Start), (900, history) })
        {
            held = tokens;
            using (var slot = await warm.TakeAheadAsync(upstream, "talk", default))
                slot!.EvaluatedAhead(new AnswerTimings(0, tokens, 0, 1), covered);
            Assert.Equal(tokens, (await warm.LeavingAsync(default))!.Tokens);
            Assert.Equal(covered == history, IsCurrent());
            await warm.LoadedAsync(model, upstream, default);
        }
    }

    [Fact]
    public async Task What_a_return_saves_is_told_by_the_restore_and_counted_by_the_answer_also_after_a_restart()
    {
        await SayAsync("talk");
        var upstream = await LoadAsync();
        await AnswerAsync(upstream, new AnswerTimings(0, 600, 1, PromptSeconds: 60));
        await warm.LeavingAsync(default);
        warm = New();

        var restored = (await warm.LoadedAsync(model, upstream, default))!;
        Assert.InRange(restored.SavedSeconds!.Value, 30, 60);
        Assert.Equal(0, gain.Totals.ReusedTokens);

        await AnswerAsync(upstream, new AnswerTimings(CachedTokens: 600, 20, 1, 0.01));
        Assert.Equal(600, gain.Totals.ReusedTokens);
        Assert.InRange(gain.Totals.SavedSeconds, 30, 60);
        var summary = state.Store.Read("talk", includeReplaced: false)!.Summary;
        Assert.Equal(600, summary.ReusedTokens);
        Assert.InRange(summary.SavedSeconds, 30, 60);
        // Once.
        await AnswerAsync(upstream, new AnswerTimings(CachedTokens: 620, 20, 1, 0.01));
        Assert.Equal(600, gain.Totals.ReusedTokens);
    }

    [Fact]
    public async Task What_was_evaluated_ahead_behind_a_file_is_counted_apart()
    {
        await SayAsync("talk");
        var upstream = await LoadAsync();
        await AnswerAsync(upstream, new AnswerTimings(0, 600, 1, PromptSeconds: 60));
        await warm.LeavingAsync(default);
        await warm.LoadedAsync(model, upstream, default);

        using (var slot = await warm.TakeAheadAsync(upstream, "talk", default))
            slot!.EvaluatedAhead(new AnswerTimings(CachedTokens: 600, 100, 0, 10), state.Store.Find("talk")!.LastHash);
        await AnswerAsync(upstream, new AnswerTimings(CachedTokens: 650, 50, 1, 0.01));
        Assert.Equal((600, 50), (gain.Totals.ReusedTokens, gain.Totals.AheadTokens));
        Assert.InRange(gain.Totals.AheadSeconds, 4.9, 5.1);
    }

    [Fact]
    public async Task Restore_of_what_is_no_beginning_any_more_says_nothing_of_the_model()
    {
        var upstream = await AnsweredAsync();
        for (var i = 0; i < 3; i++)
        {
            using (await warm.TakeAsync(upstream, "talk", goesOn: true, default))
                held += 100;
            Assert.NotNull(await warm.LeavingAsync(default));
            Assert.NotNull(await warm.LoadedAsync(model, upstream, default));
            await AnswerAsync(upstream, new AnswerTimings(CachedTokens: 0, held, 1, 1));
        }
        Assert.True(warm.IsRestorable);
    }

    /// <summary>As a model with a sliding window does, for a client with a clock in its system prompt.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Model_that_uses_no_file_is_told_from_a_client_that_changes_the_beginning(bool goesOnInItsSlot)
    {
        var upstream = await AnsweredAsync();
        for (var i = 0; i < 2; i++)
        {
            Assert.True(warm.IsRestorable);
            Assert.NotNull(await warm.LeavingAsync(default));
            Assert.NotNull(await warm.LoadedAsync(model, upstream, default));
            await AnswerAsync(upstream, new AnswerTimings(CachedTokens: 0, 600, 1, 1));
            var cached = goesOnInItsSlot ? 601 : 0;
            await AnswerAsync(upstream, new AnswerTimings(cached, 611 - cached, 1, 1));
        }
        Assert.Equal(!goesOnInItsSlot, warm.IsRestorable);
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        await state.DisposeAsync();
    }

    private WarmReturn New() => new(
        state.Keeper, state.Store, gain, _ => null, TimeProvider.System, NullLogger<WarmReturn>.Instance);

    private bool IsCurrent() => Assert.Single(state.Store.List(1, 0).Sessions[0].Snapshots).IsCurrent;

    /// <summary>A turn that is stored.</summary>
    private async Task SayAsync(string session, string question = "question")
    {
        using var turn = await new Conversations(state.Store, state.State.Time).BeginAsync(
            session, [StateFolder.User(question)], Soon, default);
        Assert.Equal(AppendStatus.Stored, turn!.Complete(StateFolder.Assistant("answer").Json, "m").Status);
    }

    /// <summary>A loaded model whose slot holds 600 tokens of "talk".</summary>
    private async Task<Upstream> AnsweredAsync()
    {
        await SayAsync("talk");
        var upstream = await LoadAsync();
        await AnswerAsync(upstream, new AnswerTimings(0, 600, 1, 1));
        return upstream;
    }

    private async Task AnswerAsync(Upstream upstream, AnswerTimings timings)
    {
        using var slot = await warm.TakeAsync(upstream, "talk", goesOn: true, default);
        held = timings.HeldTokens;
        slot!.Answered(timings);
    }

    private async Task<Upstream> LoadAsync()
    {
        server = await ChatHost.ServeAsync(ReplyAsync);
        var upstream = new Upstream(ChatHost.AddressOf(server), "m", null) { Arguments = ["llama-server"] };
        Assert.Null(await warm.LoadedAsync(model, upstream, default));
        return upstream;
    }

    private async Task ReplyAsync(HttpContext context)
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
                ["n_prompt_tokens"] = held,
            }),
            _ when context.Request.Query["action"] == "restore" =>
                new JsonObject { ["n_restored"] = inFile, ["n_read"] = 6 },
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
        inFile = held;
        return new JsonObject { ["n_saved"] = held, ["n_written"] = 6 };
    }
}
