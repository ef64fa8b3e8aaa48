using HotModel.Sessions;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Sessions;

public sealed class ConversationsTests : IDisposable
{
    private readonly StateFolder folder = new();
    private readonly SessionStore store;
    private readonly Conversations conversations;

    public ConversationsTests()
    {
        store = folder.Open();
        conversations = new Conversations(store, folder.Time);
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    private async Task<Turn> Begin(string? id, params ChatMessage[] messages) =>
        (await conversations.BeginAsync(id, messages, TimeSpan.FromMinutes(1), default))!;

    /// <summary>A whole turn; returns the session.</summary>
    private async Task<string> Say(string? id, string answer, params ChatMessage[] messages)
    {
        using var turn = await Begin(id, messages);
        Assert.True(turn.Complete(Assistant(answer).Json, "small").Stored);
        return turn.SessionId;
    }

    private static IReadOnlyList<string> Sent(Turn turn) => TextsOf([.. turn.History, .. turn.Incoming]);

    private void AssertStored(string id, params ChatMessage[] messages) =>
        Assert.Equal(TextsOf(messages), StoredIn(store, id));

    [Fact]
    public async Task Begin_named_session_appends_to_its_history()
    {
        await Say("s", "A1", User("U1"));
        using (var turn = await Begin("s", User("U2")))
        {
            Assert.False(turn.IsNew);
            Assert.Equal(TextsOf([User("U1"), Assistant("A1"), User("U2")]), Sent(turn));
            Assert.Equal(2, turn.FixedFrom);
            turn.Complete(Assistant("A2").Json, "big");
        }
        AssertStored("s", User("U1"), Assistant("A1"), User("U2"), Assistant("A2"));
        Assert.Equal(["small", "big"], store.List(1, 0).Sessions[0].Models);
    }

    [Fact]
    public async Task Begin_named_session_resent_is_stored_once_and_sent_as_it_came()
    {
        await Say("s", "A1", User("U1"));
        var resent = Json("""{"content":[{"type":"text","text":" A1 "}],"role":"assistant","refusal":null}""");
        using (var turn = await Begin("s", User("U1"), resent, User("U2")))
        {
            Assert.Empty(turn.History);
            Assert.Equal(TextsOf([User("U1"), resent, User("U2")]), Sent(turn));
            Assert.Equal(2, turn.FixedFrom);
            turn.Complete(Assistant("A2").Json, "small");
        }
        AssertStored("s", User("U1"), Assistant("A1"), User("U2"), Assistant("A2"));
    }

    [Fact]
    public async Task Begin_same_first_question_again_is_an_append()
    {
        await Say("s", "A1", User("hi"));
        await Say("s", "A2", User("hi"));
        AssertStored("s", User("hi"), Assistant("A1"), User("hi"), Assistant("A2"));
    }

    [Fact]
    public async Task Begin_same_first_question_with_another_answer_is_an_append()
    {
        await Say("s", "A1", User("U1"));
        await Say("s", "A2", User("U1"), Assistant("A1 edited"), User("U2"));
        AssertStored(
            "s", User("U1"), Assistant("A1"), User("U1"), Assistant("A1 edited"), User("U2"), Assistant("A2"));
    }

    [Fact]
    public async Task Begin_that_fails_lets_the_next_turn_in()
    {
        await Say("s", "A1", User("U1"));
        var broken = new ChatMessage("{"u8.ToArray(), "assistant", HasToolCalls: false);
        await Assert.ThrowsAnyAsync<Exception>(() => Begin("s", User("U1"), broken));
        using var next = await Begin("s", User("U2"));
        Assert.Equal(2, next.History.Count);
    }

    [Fact]
    public async Task Begin_edited_middle_replaces_what_followed()
    {
        await Say("s", "A1", User("U1"));
        await Say("s", "A2", User("U2"));
        await Say("s", "A3", User("U3"));
        using (var turn = await Begin("s", User("U1"), Assistant("A1"), User("U2 edited")))
        {
            Assert.Equal(TextsOf([User("U1"), Assistant("A1"), User("U2 edited")]), Sent(turn));
            // Until the answer is there, nothing is replaced.
            Assert.Equal(6, StoredIn(store, "s").Count);
            turn.Complete(Assistant("A2b").Json, "small");
        }
        AssertStored("s", User("U1"), Assistant("A1"), User("U2 edited"), Assistant("A2b"));
        Assert.Equal(8, StoredIn(store, "s", all: true).Count);
        Assert.Equal(
            [false, false, true, true, true, true, false, false],
            store.Read("s", true)!.Messages.Select(message => message.Replaced));
        await Say("s", "A3b", User("U3b"));
        AssertStored(
            "s", User("U1"), Assistant("A1"), User("U2 edited"), Assistant("A2b"), User("U3b"), Assistant("A3b"));
    }

    [Fact]
    public async Task Begin_regenerated_answer_replaces_the_old_one()
    {
        await Say("s", "A1", User("U1"));
        await Say("s", "A2", User("U2"));
        using (var turn = await Begin("s", User("U1"), Assistant("A1"), User("U2")))
        {
            Assert.Equal(3, turn.FixedFrom);
            turn.Complete(Assistant("A2b").Json, "small");
        }
        AssertStored("s", User("U1"), Assistant("A1"), User("U2"), Assistant("A2b"));
    }

    [Fact]
    public async Task Begin_tool_result_after_its_call_is_stored_once()
    {
        using (var turn = await Begin("s", User("U1")))
            turn.Complete(Call("c1").Json, "small");
        await Say("s", "A1", Result("c1", "42"));
        await Say("s", "A2", User("U1"), Call("c1"), Result("c1", "42"), Assistant("A1"), User("U2"));
        AssertStored("s", User("U1"), Call("c1"), Result("c1", "42"), Assistant("A1"), User("U2"), Assistant("A2"));
    }

    [Fact]
    public async Task Begin_unnamed_first_request_is_a_new_session()
    {
        using var turn = await Begin(null, Instruction("S"), User("U1"));
        Assert.True(turn.IsNew);
        Assert.True(SessionId.TryValidate(turn.SessionId, out _));
        Assert.Equal(TextsOf([Instruction("S")]), TextsOf(turn.ClientSystem));
        Assert.Equal(TextsOf([User("U1")]), Sent(turn));
        Assert.Equal(0, turn.FixedFrom);
    }

    [Fact]
    public async Task Begin_unnamed_resent_history_continues_its_session()
    {
        var id = await Say(null, "A1", User("U1"));
        Assert.Equal(id, await Say(null, "A2", User("U1"), Assistant("A1"), User("U2")));
        Assert.Equal(id, await Say(null, "A3", User("U1"), Assistant("A1"), User("U2"), Assistant("A2"), User("U3")));
        AssertStored(id, User("U1"), Assistant("A1"), User("U2"), Assistant("A2"), User("U3"), Assistant("A3"));
        Assert.Equal(1, store.List(10, 0).Total);
    }

    [Fact]
    public async Task Begin_unnamed_same_first_question_is_another_session()
    {
        var first = await Say(null, "A1", User("hi"));
        Assert.NotEqual(first, await Say(null, "A1", User("hi")));
    }

    [Fact]
    public async Task Begin_unnamed_edit_in_the_middle_is_a_new_session_with_all_messages()
    {
        var id = await Say(null, "A1", User("U1"));
        await Say(null, "A2", User("U1"), Assistant("A1"), User("U2"));
        var other = await Say(null, "A2b", User("U1"), Assistant("A1"), User("U2 edited"));
        Assert.NotEqual(id, other);
        AssertStored(id, User("U1"), Assistant("A1"), User("U2"), Assistant("A2"));
        AssertStored(other, User("U1"), Assistant("A1"), User("U2 edited"), Assistant("A2b"));
    }

    [Fact]
    public async Task Begin_unnamed_session_with_a_running_turn_is_left_alone()
    {
        var id = await Say(null, "A1", User("U1"));
        using var running = await Begin(id, User("U2"));
        using var other = await Begin(null, User("U1"), Assistant("A1"), User("U2b"));
        Assert.True(other.IsNew);
        other.Complete(Assistant("A2b").Json, "small");
        AssertStored(other.SessionId, User("U1"), Assistant("A1"), User("U2b"), Assistant("A2b"));
    }

    [Fact]
    public async Task Begin_unnamed_turn_that_could_not_be_stored_is_made_up_for()
    {
        var id = await Say(null, "A1", User("U1"));
        using (await Begin(null, User("U1"), Assistant("A1"), User("U2")))
        {
            // The answer reached the client and not the store.
        }
        Assert.Equal(id, await Say(
            null, "A3", User("U1"), Assistant("A1"), User("U2"), Assistant("A2"), User("U3")));
        AssertStored(id, User("U1"), Assistant("A1"), User("U2"), Assistant("A2"), User("U3"), Assistant("A3"));
    }

    [Fact]
    public async Task Begin_client_system_latest_wins_and_the_stored_one_is_used_without()
    {
        await Say("s", "A1", Instruction("one"), User("U1"));
        using (var turn = await Begin("s", User("U2")))
            Assert.Equal(TextsOf([Instruction("one")]), TextsOf(turn.ClientSystem));
        await Say("s", "A2", Instruction("two"), Message("developer", "dev"), User("U2"));
        using (var turn = await Begin("s", User("U3")))
            Assert.Equal(TextsOf([Instruction("two"), Message("developer", "dev")]), TextsOf(turn.ClientSystem));
        AssertStored("s", User("U1"), Assistant("A1"), User("U2"), Assistant("A2"));
    }

    [Fact]
    public async Task Begin_changed_client_system_is_still_the_same_conversation()
    {
        var id = await Say(null, "A1", Instruction("It is 10:00"), User("U1"));
        Assert.Equal(id, await Say(null, "A2", Instruction("It is 10:05"), User("U1"), Assistant("A1"), User("U2")));
    }

    [Fact]
    public async Task Begin_system_message_in_the_middle_is_history()
    {
        await Say("s", "A1", User("U1"), Instruction("from now on in verse"), User("U2"));
        AssertStored("s", User("U1"), Instruction("from now on in verse"), User("U2"), Assistant("A1"));
    }

    [Fact]
    public async Task Dispose_without_complete_stores_nothing_and_lets_the_next_turn_in()
    {
        using (var turn = await Begin("s", User("U1")))
            Assert.True(turn.IsNew);
        Assert.Null(store.Find("s"));
        using var next = await Begin("s", User("U2"));
        Assert.Equal(TextsOf([User("U2")]), Sent(next));
    }

    [Fact]
    public async Task Begin_turns_of_one_session_run_one_after_another()
    {
        var first = await Begin("s", User("U1"));
        var second = conversations.BeginAsync("s", [User("U2")], TimeSpan.FromMinutes(1), default).AsTask();
        Assert.False(second.IsCompleted);
        first.Complete(Assistant("A1").Json, "small");
        first.Dispose();
        first.Dispose();
        using var turn = await second;
        Assert.Equal(TextsOf([User("U1"), Assistant("A1"), User("U2")]), Sent(turn!));
    }

    [Fact]
    public async Task Begin_waited_too_long_is_null()
    {
        using var first = await Begin("s", User("U1"));
        var second = conversations.BeginAsync("s", [User("U2")], TimeSpan.FromSeconds(5), default).AsTask();
        folder.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(await second);
    }

    [Fact]
    public async Task Complete_twice_is_a_mistake()
    {
        using var turn = await Begin("s", User("U1"));
        turn.Complete(Assistant("A1").Json, "small");
        Assert.Throws<InvalidOperationException>(() => turn.Complete(Assistant("A1").Json, "small"));
    }

    [Fact]
    public async Task Complete_after_delete_stores_nothing()
    {
        await Say("s", "A1", User("U1"));
        using var turn = await Begin("s", User("U2"));
        store.Delete("s");
        Assert.Equal(AppendStatus.Deleted, turn.Complete(Assistant("A2").Json, "small").Status);
        Assert.Null(store.Find("s"));
    }

    [Fact]
    public async Task Complete_running_session_survives_the_bound_on_sessions()
    {
        using var tight = new StateFolder();
        using var small = tight.Open(Limits(maxSessions: 1));
        var both = new Conversations(small, tight.Time);
        using (var turn = await both.BeginAsync("a", [User("U1")], TimeSpan.Zero, default))
            turn!.Complete(Assistant("A1").Json, "m");
        using (var running = await both.BeginAsync("a", [User("U2")], TimeSpan.Zero, default))
        {
            tight.Time.Advance(TimeSpan.FromSeconds(1));
            using (var other = await both.BeginAsync("b", [User("U1")], TimeSpan.Zero, default))
                other!.Complete(Assistant("A1").Json, "m");
            Assert.True(running!.Complete(Assistant("A2").Json, "m").Stored);
        }
        Assert.Equal(4, StoredIn(small, "a").Count);
    }

    [Fact]
    public async Task Begin_invalid_id_is_a_mistake_of_the_caller() =>
        await Assert.ThrowsAsync<ArgumentException>(() => Begin("a b", User("x")));

    [Fact]
    public async Task Begin_without_messages_is_no_error()
    {
        using var turn = await Begin(null);
        Assert.Empty(turn.Incoming);
        Assert.Equal(0, turn.FixedFrom);
    }
}
