using HotModel.Sessions;
using HotModel.Snapshots;

namespace HotModel.Tests.Snapshots;

public sealed class SlotBoardTests
{
    private const int Worth = 512;
    private static readonly MessageHash History = new(7);

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
        Assert.Equal((1, Held("two", 700)), (seat.Slot, seat.Displaced));
    }

    [Fact]
    public void Slot_in_use_is_nobody_elses()
    {
        var board = new SlotBoard(1);
        Assert.NotNull(board.Take("one"));
        Assert.Null(board.Take("two"));
        board.Leave(0, new HeldTokens(600, History, Unused: 0));
        Assert.NotNull(board.Take("two"));
    }

    [Fact]
    public void What_a_file_holds_is_not_saved_again_until_its_conversation_goes_on()
    {
        var board = new SlotBoard(1);
        board.LeaveCut(board.Take("one")!.Slot);
        board.Restored(0, new ReadFile(600, 0.5), History, isBeginning: true);
        Assert.Empty(board.Unkept());
        var seat = board.Take("one")!;
        Assert.Equal((600, new ReadFile(600, 0.5)), (seat.UnprovenTokens, seat.FromFile));
        board.Leave(0, new HeldTokens(640, History, Unused: 0));
        Assert.Equal([(0, Held("one", 640))], board.Unkept());
        // The use of a file is told by the first answer only.
        seat = board.Take("one")!;
        Assert.Equal((0, default(ReadFile)), (seat.UnprovenTokens, seat.FromFile));
    }

    [Fact]
    public void File_that_is_not_the_beginning_proves_nothing()
    {
        var board = new SlotBoard(1);
        board.LeaveCut(board.Take("one")!.Slot);
        board.Restored(0, new ReadFile(600, 0.5), History, isBeginning: false);
        var seat = board.Take("one")!;
        Assert.Equal((0, 600), (seat.UnprovenTokens, seat.FromFile.Tokens));
    }

    [Fact]
    public void Slot_of_a_request_that_was_cut_may_hold_more_than_is_known()
    {
        var board = new SlotBoard(1);
        board.LeaveCut(board.Take("one")!.Slot);
        Assert.Equal([(0, new HeldConversation("one", 0) { IsCut = true })], board.Unkept());
        Assert.True(board.Take("one")!.IsOwn);
        board.Restored(0, new ReadFile(600, 0.5), History, isBeginning: true);
        board.LeaveCut(0);
        Assert.Equal([(0, Held("one", 600) with { IsCut = true, IsKept = true })], board.Unkept());
        // Whoever used it since has left nothing to be known.
        board.Doubt();
        Assert.Empty(board.Unkept());
    }

    [Fact]
    public void Slots_at_rest_can_be_emptied_for_another()
    {
        var board = new SlotBoard(4);
        Answer(board, "one", 600);
        Answer(board, "two", 700);
        board.Restored(1, new ReadFile(700, 0.5), History, isBeginning: true);
        board.Take("three");
        Assert.Equal([0, 1], board.IdleBeside(3));
        Assert.False(board.Close(2, out _));
        Assert.True(board.Close(1, out var kept));
        Assert.Null(kept);
        Assert.True(board.Close(0, out var unkept));
        Assert.Equal(Held("one", 600), unkept);
        Assert.Equal(3, board.Take("one")!.Slot);
        board.GiveUp(0, null);
        Assert.Equal(0, board.Take("four")!.Slot);
    }

    [Fact]
    public void Evaluating_ahead_takes_no_slot_from_a_conversation_that_is_worth_a_file()
    {
        var board = new SlotBoard(2);
        Answer(board, "one", 600);
        var seat = board.TakeAhead("ahead", Worth)!;
        Assert.Equal((1, false), (seat.Slot, seat.IsOwn));
        Assert.Null(board.TakeAhead("ahead", Worth));
        board.LeaveAhead(seat.Slot, new HeldTokens(32, MessageHash.Start, Unused: 0), default);
        Assert.True(board.TakeAhead("ahead", Worth)!.IsOwn);
        board.LeaveAhead(seat.Slot, new HeldTokens(600, History, Unused: 0), default);
        Assert.Null(board.TakeAhead("another", Worth));
    }

    [Fact]
    public void Evaluating_ahead_takes_the_slot_of_a_short_conversation_that_is_at_rest()
    {
        var board = new SlotBoard(3);
        Answer(board, "long", 600);
        Answer(board, "short", 511);
        var busy = board.Take("busy")!.Slot;
        var seat = board.TakeAhead("ahead", Worth)!;
        Assert.Equal((1, Held("short", 511)), (seat.Slot, seat.Displaced));
        board.GiveUp(1, null);
        board.LeaveCut(busy);
        // What a cut request has left there is not known.
        Assert.Equal(1, board.TakeAhead("ahead", Worth)!.Slot);
        Assert.Null(board.TakeAhead("another", Worth));
    }

    [Fact]
    public void What_was_evaluated_ahead_is_told_to_its_first_request_and_is_worth_saving()
    {
        var board = new SlotBoard(1);
        board.LeaveAhead(board.TakeAhead("one", Worth)!.Slot, new HeldTokens(600, History, Unused: 0), new ReadFile(200, 0.5));
        Assert.Equal([(0, Held("one", 600))], board.Unkept());
        var seat = board.Take("one")!;
        Assert.Equal((true, 200, 400, 0), (seat.IsOwn, seat.FromFile.Tokens, seat.AheadTokens, seat.UnprovenTokens));
        board.Leave(0, new HeldTokens(640, History, Unused: 0));
        Assert.Equal(0, board.Take("one")!.AheadTokens);
    }

    [Fact]
    public void Request_that_was_refused_leaves_what_its_slot_held()
    {
        var board = new SlotBoard(1);
        Answer(board, "one", 600);
        board.Take("one");
        board.LeaveCut(0);
        Assert.Equal([(0, Held("one", 600) with { IsCut = true })], board.Unkept());
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
        board.GiveUp(board.Take("two")!.Slot, Held("one", 600));
        Assert.Equal([(0, Held("one", 600))], board.Unkept());
        Assert.True(board.Take("one")!.IsOwn);
        board.GiveUp(0, null);
        Assert.Empty(board.Unkept());
        Assert.False(board.Take("one")!.IsOwn);
    }

    private static void Answer(SlotBoard board, string session, int tokens) =>
        board.Leave(board.Take(session)!.Slot, new HeldTokens(tokens, History, Unused: 0));

    private static HeldConversation Held(string session, int tokens) => new(session, tokens) { History = History };
}
