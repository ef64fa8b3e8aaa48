using System.Text;
using System.Text.Json.Nodes;
using HotModel.Prefill;
using HotModel.Proxy;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Prefill;

public sealed class PrefillAheadTests
{
    // With the answer 70 characters, each a token.
    private static readonly string Question = new('q', 60);
    private static readonly string Answer = new('a', 10);

    [Fact]
    public async Task Whole_conversation_is_evaluated_in_pieces_without_the_next_question()
    {
        await using var scene = await TalkedAsync();
        await scene.LoadAsync();
        Assert.Equal([32, 64, 70], await scene.RestAsync());
        Assert.Equal(new PrefillStatus(PrefillState.Done, "talk", 70, 70, 70, 0, null), scene.Ahead.Status);
    }

    [Fact]
    public async Task Piece_goes_to_the_slot_generates_nothing_and_is_kept()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var body = JsonNode.Parse((await scene.PieceAsync()).Body)!;
        Assert.Equal(("m", 0, 0, true),
            ((string?)body["model"], (int?)body["id_slot"], (int?)body["n_predict"], (bool?)body["cache_prompt"]));
        Assert.Equal(Enumerable.Repeat((int)'q', 32), body["prompt"]!.AsArray().Select(id => (int)id!));
    }

    [Fact]
    public async Task What_was_restored_is_not_evaluated_again()
    {
        await using var scene = await TalkedAsync();
        await scene.LoadAsync(restored: 38);
        Assert.Equal([70], await scene.RestAsync());
        Assert.Equal((70, 32), (scene.Ahead.Status.Tokens, scene.Ahead.Status.EvaluatedTokens));
    }

    [Fact]
    public async Task Snapshot_of_nearly_all_of_it_leaves_nothing_to_do()
    {
        await using var scene = await TalkedAsync();
        await scene.LoadAsync(restored: 39);
        Assert.Empty(await scene.RestAsync());
        Assert.Equal(PrefillState.Done, scene.Ahead.Status.State);
    }

    [Fact]
    public async Task Nothing_begins_while_a_request_is_there_and_goes_on_when_it_has_left()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        var waiting = scene.Quiet.Enter();
        await scene.LoadAsync();
        await scene.Ahead.GiveWayAsync();
        waiting.Dispose();
        var first = await scene.PieceAsync();

        using (scene.Quiet.Enter())
        {
            var way = scene.Ahead.GiveWayAsync().AsTask();
            Assert.False(way.IsCompleted);
            scene.HoldsPieces = false;
            first.Go();
            await way.WaitAsync(TimeSpan.FromSeconds(30));
            Assert.Equal(32, scene.Ahead.Status.Tokens);
            Assert.False(scene.Ahead.Finished.IsCompleted);
        }
        Assert.Equal([64, 70], await scene.RestAsync());
    }

    [Fact]
    public async Task Request_does_not_wait_for_a_piece_that_does_not_end()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var piece = await scene.PieceAsync();
        using var request = scene.Quiet.Enter();
        var way = scene.Ahead.GiveWayAsync().AsTask();
        scene.Advance(TimeSpan.FromSeconds(1));
        await way.WaitAsync(TimeSpan.FromSeconds(30));
        await piece.ClosedAsync();
        Assert.Equal(PrefillState.Stopped, scene.Ahead.Status.State);
    }

    [Fact]
    public async Task Conversation_that_goes_on_by_itself_is_left_alone()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var first = await scene.PieceAsync();
        using (scene.Quiet.Enter())
        {
            first.Go();
            await scene.Ahead.GiveWayAsync();
            await scene.SayAsync("talk", User("next"), Assistant("more"));
        }
        Assert.Empty(await scene.RestAsync());
        Assert.Equal((PrefillState.Stopped, 32), (scene.Ahead.Status.State, scene.Ahead.Status.Tokens));
    }

    [Fact]
    public async Task Slot_that_a_long_conversation_took_is_not_taken_back()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var first = await scene.PieceAsync();
        using (scene.Quiet.Enter())
        {
            first.Go();
            await scene.Ahead.GiveWayAsync();
            await scene.AnswerOtherAsync(tokens: 512);
        }
        Assert.Empty(await scene.RestAsync());
        Assert.Equal("Another conversation has the slot.", scene.Ahead.Status.Reason);
    }

    [Fact]
    public async Task Slot_that_a_short_conversation_took_is_taken_back_when_all_is_quiet()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var first = await scene.PieceAsync();
        using (scene.Quiet.Enter())
        {
            first.Go();
            await scene.Ahead.GiveWayAsync();
            await scene.AnswerOtherAsync(tokens: 511);
            scene.HoldsPieces = false;
        }
        // What was done is lost with so short a beginning: it is not worth a file.
        Assert.Equal([32, 64, 70], await scene.RestAsync());
        Assert.Equal(new PrefillStatus(PrefillState.Done, "talk", 70, 70, 102, 0, null), scene.Ahead.Status);
    }

    [Fact]
    public async Task Conversation_that_is_driven_out_again_and_again_is_left_alone()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        for (var i = 0; i < 4; i++)
        {
            var piece = await scene.PieceAsync();
            using (scene.Quiet.Enter())
            {
                piece.Go();
                await scene.Ahead.GiveWayAsync();
                await scene.AnswerOtherAsync(tokens: 100);
            }
        }
        Assert.Empty(await scene.RestAsync());
        Assert.Equal("Other requests took its place in the slot again and again.", scene.Ahead.Status.Reason);
    }

    [Fact]
    public async Task Time_is_bounded()
    {
        await using var scene = await TalkedAsync();
        scene.PieceTime = TimeSpan.FromSeconds(301);
        await scene.LoadAsync();
        Assert.Equal([32], await scene.RestAsync());
        Assert.Equal(
            new PrefillStatus(PrefillState.Stopped, "talk", 32, 70, 32, 301, "snapshots.prefill_ahead_seconds has passed."),
            scene.Ahead.Status);
    }

    [Fact]
    public async Task After_its_end_nothing_is_sent()
    {
        await using var scene = await TalkedAsync();
        scene.HoldsPieces = true;
        await scene.LoadAsync();
        var first = await scene.PieceAsync();
        var finished = scene.Ahead.Finished;
        var ended = scene.Ahead.EndAsync();
        first.Go();
        await ended.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(finished.IsCompletedSuccessfully);
        Assert.Empty(await scene.RestAsync());
    }

    [Fact]
    public async Task Tools_of_the_last_request_shape_the_prompt()
    {
        await using var scene = await TalkedAsync();
        scene.Ahead.Remember("talk", RequestWith("""
            {"tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"q"}],
            "session_id":"talk","model":"active"}
            """));
        await scene.LoadAsync();
        Assert.Equal([32, 64, 70], await scene.RestAsync());
        var templated = JsonNode.Parse(scene.Templated[0])!;
        Assert.Equal("f", (string?)templated["tools"]![0]!["function"]!["name"]);
        Assert.Equal("m", (string?)templated["model"]);
        Assert.Null(templated["session_id"]);
        Assert.Equal(3, templated["messages"]!.AsArray().Count);
    }

    [Fact]
    public async Task Requests_for_titles_do_not_take_the_place_of_the_conversation()
    {
        await using var scene = await TalkedAsync();
        await scene.SayAsync("talk", User("next"), Assistant("more"));
        scene.Ahead.Remember("talk", RequestWith(
            """{"tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"q"}]}"""));
        await scene.SayAsync("title", User(Question), Assistant("About q"));
        scene.Ahead.Remember("title", RequestWith("""{"messages":[{"role":"user","content":"q"}]}"""));
        await scene.LoadAsync();
        Assert.Equal([32, 64, 78], await scene.RestAsync());
        Assert.Equal("talk", scene.Ahead.Status.Session);
        Assert.Equal("f", (string?)JsonNode.Parse(scene.Templated[0])!["tools"]![0]!["function"]!["name"]);
    }

    [Fact]
    public async Task New_conversation_is_the_last_one_when_the_others_are_older()
    {
        await using var scene = await TalkedAsync();
        await scene.SayAsync("talk", User("next"), Assistant("more"));
        scene.Advance(TimeSpan.FromMinutes(10));
        await scene.SayAsync("new", User(Question), Assistant(Answer));
        await scene.LoadAsync();
        Assert.Equal([32, 64, 70], await scene.RestAsync());
        Assert.Equal("new", scene.Ahead.Status.Session);
    }

    [Fact]
    public async Task Deleted_conversation_is_not_spoken_of()
    {
        await using var scene = await TalkedAsync();
        await scene.LoadAsync();
        await scene.RestAsync();
        scene.Store.Delete("talk");
        Assert.Equal(PrefillStatus.Idle, scene.Ahead.Status);
    }

    [Fact]
    public async Task Conversation_that_waits_for_a_tool_or_has_an_image_is_left_alone()
    {
        await using var scene = await PrefillScene.StartAsync();
        await scene.SayAsync("talk", User(Question), Call("1"));
        await scene.LoadAsync();
        Assert.Empty(await scene.RestAsync());
        Assert.Equal(PrefillState.Idle, scene.Ahead.Status.State);
        await scene.Ahead.EndAsync();

        await scene.SayAsync("seen", Json("""
            {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}
            """), Assistant(Answer));
        await scene.LoadAsync();
        Assert.Empty(await scene.RestAsync());
    }

    [Fact]
    public async Task Conversation_with_tools_of_an_earlier_run_is_left_alone()
    {
        await using var scene = await PrefillScene.StartAsync();
        await scene.SayAsync("talk", User(Question), Call("1"), Result("1", "r"), Assistant(Answer));
        await scene.LoadAsync();
        Assert.Empty(await scene.RestAsync());
    }

    [Fact]
    public async Task Without_a_conversation_there_is_nothing_to_do()
    {
        await using var scene = await PrefillScene.StartAsync();
        await scene.LoadAsync();
        Assert.Empty(await scene.RestAsync());
        Assert.Equal(PrefillStatus.Idle, scene.Ahead.Status);
    }

    private static async Task<PrefillScene> TalkedAsync()
    {
        var scene = await PrefillScene.StartAsync();
        await scene.SayAsync("talk", User(Question), Assistant(Answer));
        return scene;
    }

    private static ChatRequest RequestWith(string body) => ChatRequest.Read(Encoding.UTF8.GetBytes(body)).Request!;
}
