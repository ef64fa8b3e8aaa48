using HotModel.Snapshots;

namespace HotModel.Tests.Snapshots;

public sealed class SlotBoardTests
{
    [Fact]
    public void Conversation_comes_back_to_the_slot_that_holds_it()
    {
        var board = new SlotBoard(2);
        Answer(board, "one", 600);
        Answer(board, "two", 700);
        var seat = board.Take("one")!;
        Assert.Equal((0, true), (seat.Slot, seat.IsOwn));
        Assert.Null(seat.Displaced);
    }

    [Fact]
    public void New_conversation_takes_the_slot_of_the_one_away_longest_and_names_what_it_displaces()
    {
        var board = new SlotBoard(2);
        Answer(board, "one", 600);
        Answer(board, "two", 700);
        Answer(board, "one", 650);
        var seat = board.Take("three")!;
        Assert.Equal((1, new HeldConversation("two", 700)), (seat.Slot, seat.Displaced));
    }

    [Fact]
    public void Slot_in_use_is_nobody_elses()
    {
        var board = new SlotBoard(1);
        Assert.NotNull(board.Take("one"));
        Assert.Null(board.Take("two"));
        board.Leave(0, 600);
        Assert.NotNull(board.Take("two"));
    }

    [Fact]
    public void What_a_file_holds_is_not_saved_again_until_its_conversation_goes_on()
    {
        var board = new SlotBoard(1);
        var seat = board.Take("one")!;
        board.Leave(seat.Slot, null);
        board.Restored(seat.Slot, 600);
        Assert.Empty(board.Unkept());
        Assert.Equal(600, board.Take("one")!.RestoredTokens);
        board.Leave(0, 640);
        Assert.Equal([(0, new HeldConversation("one", 640))], board.Unkept());
        // The use of a file is told by the first answer only.
        Assert.Equal(0, board.Take("one")!.RestoredTokens);
    }

    [Fact]
    public void Slot_of_unknown_contents_is_not_saved()
    {
        var board = new SlotBoard(1);
        board.Take("one");
        board.Leave(0, null);
        Assert.Empty(board.Unkept());
        Assert.True(board.Take("one")!.IsOwn);
    }

    [Fact]
    public void Slots_at_rest_can_be_emptied_for_another()
    {
        var board = new SlotBoard(4);
        Answer(board, "one", 600);
        Answer(board, "two", 700);
        board.Restored(1, 700);
        board.Take("three");
        Assert.Equal([(0, new HeldConversation("one", 600)), (1, null)], board.IdleBeside(3));
        Assert.False(board.Close(2));
        Assert.True(board.Close(0));
        Assert.Equal(3, board.Take("one")!.Slot);
        board.GiveUp(0, null);
        Assert.Equal(0, board.Take("four")!.Slot);
    }

    [Fact]
    public void Evaluating_ahead_takes_no_slot_from_a_conversation()
    {
        var board = new SlotBoard(2);
        Answer(board, "one", 600);
        var seat = board.TakeAhead("ahead", isOwn: false)!;
        Assert.Equal((1, false), (seat.Slot, seat.IsOwn));
        Assert.Null(board.TakeAhead("ahead", isOwn: false));
        board.LeaveAhead(seat.Slot, 32);
        Assert.True(board.TakeAhead("ahead", isOwn: true)!.IsOwn);
        board.LeaveAhead(seat.Slot, 64);
        Assert.Null(board.TakeAhead("another", isOwn: false));
        Assert.Null(board.TakeAhead("another", isOwn: true));
    }

    [Fact]
    public void What_was_evaluated_ahead_is_told_to_its_first_request_and_is_worth_saving()
    {
        var board = new SlotBoard(1);
        board.LeaveAhead(board.TakeAhead("one", isOwn: false)!.Slot, 600);
        Assert.Equal([(0, new HeldConversation("one", 600))], board.Unkept());
        var seat = board.Take("one")!;
        Assert.Equal((true, 600, 0), (seat.IsOwn, seat.AheadTokens, seat.RestoredTokens));
        board.Leave(0, 640);
        Assert.Equal(0, board.Take("one")!.AheadTokens);
    }

    [Fact]
    public void Request_that_was_refused_leaves_what_its_slot_held()
    {
        var board = new SlotBoard(1);
        Answer(board, "one", 600);
        board.Take("one");
        board.Leave(0, null);
        Assert.Equal([(0, new HeldConversation("one", 600))], board.Unkept());
    }

    [Fact]
    public void Slot_at_work_for_somebody_else_is_no_seat()
    {
        var board = new SlotBoard(2);
        Answer(board, "one", 600);
        Assert.Null(board.Take("one", 0));
        Assert.Equal(1, board.Take("two", 0)!.Slot);
        Assert.Null(board.Take("three", 0));
    }

    [Fact]
    public void Seat_that_is_given_up_is_free_and_what_it_would_have_displaced_is_still_there()
    {
        var board = new SlotBoard(1);
        Answer(board, "one", 600);
        board.GiveUp(board.Take("two")!.Slot, new HeldConversation("one", 600));
        Assert.Equal([(0, new HeldConversation("one", 600))], board.Unkept());
        Assert.True(board.Take("one")!.IsOwn);
        board.GiveUp(0, null);
        Assert.Empty(board.Unkept());
        Assert.False(board.Take("one")!.IsOwn);
    }

    private static void Answer(SlotBoard board, string session, int tokens) =>
        board.Leave(board.Take(session)!.Slot, tokens);
}
