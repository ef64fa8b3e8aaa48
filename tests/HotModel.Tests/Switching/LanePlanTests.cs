using HotModel.Switching;

namespace HotModel.Tests.Switching;

public sealed class LanePlanTests
{
    private static LaneView Lane(string? model, double? used, bool active = false) =>
        new(model, IsReady: model is not null, active, IsLeaving: false, IsPinned: false, HoldsLine: false,
            used is { } seconds ? TimeSpan.FromSeconds(seconds) : null);

    [Fact]
    public void Request_goes_to_the_lane_of_its_model_and_one_without_a_name_to_the_active_one()
    {
        LaneView[] lanes = [Lane("a", 1), Lane("b", 2, active: true)];
        Assert.Equal(0, LanePlan.Route(lanes, "a", mayLoad: true));
        Assert.Equal(1, LanePlan.Route(lanes, "b", mayLoad: true));
        Assert.Equal(1, LanePlan.Route(lanes, null, mayLoad: true));
    }

    [Fact]
    public void Request_for_a_model_that_is_being_loaded_waits_in_that_lane()
    {
        LaneView[] lanes = [Lane("a", 1, active: true), Lane("b", 0) with { IsReady = false }];
        Assert.Equal(1, LanePlan.Route(lanes, "b", mayLoad: true));
    }

    [Fact]
    public void Lane_that_leaves_gets_no_requests()
    {
        LaneView[] lanes = [Lane("a", 1) with { IsLeaving = true }, Lane("b", 2, active: true)];
        Assert.Equal(1, LanePlan.Route(lanes, "a", mayLoad: true));
        Assert.Equal(0, LanePlan.Holding(lanes, "a"));
    }

    [Fact]
    public void Request_for_another_model_waits_where_others_do_else_at_the_least_recently_used()
    {
        LaneView[] lanes = [Lane("a", 5, active: true), Lane("b", 3), Lane("c", 4)];
        Assert.Equal(1, LanePlan.Route(lanes, "d", mayLoad: true));
        Assert.Equal(0, LanePlan.Route(lanes, "d", mayLoad: false));
        lanes[2] = lanes[2] with { HoldsLine = true };
        Assert.Equal(2, LanePlan.Route(lanes, "d", mayLoad: true));
    }

    [Fact]
    public void Pinned_model_makes_room_only_where_all_are_pinned()
    {
        LaneView[] lanes = [Lane("a", 5, active: true), Lane("b", 3) with { IsPinned = true }, Lane("c", 4)];
        Assert.Equal(2, LanePlan.Next(lanes));
        Assert.Equal(1, LanePlan.Next([.. lanes.Select(lane => lane with { IsPinned = true })]));
    }

    [Fact]
    public void Active_lane_without_a_model_is_the_place_for_one_where_no_other_model_is_in_memory()
    {
        LaneView[] lanes = [Lane(null, 5, active: true), Lane("b", 3)];
        Assert.Equal(1, LanePlan.Route(lanes, "d", mayLoad: true));
        Assert.Equal(0, LanePlan.Route([lanes[0]], "d", mayLoad: true));
        lanes[0] = lanes[0] with { Model = "a" };
        Assert.Equal(0, LanePlan.Route(lanes, "d", mayLoad: true));
    }

    [Fact]
    public void Model_in_use_makes_room_only_where_all_are()
    {
        LaneView[] lanes = [Lane("a", null, active: true), Lane("b", null), Lane("c", 4)];
        Assert.Equal(2, LanePlan.Next(lanes));
        Assert.Equal(0, LanePlan.Next([lanes[0], lanes[1]]));
    }

    [Fact]
    public void Line_moves_from_a_model_that_is_pinned_or_in_use_to_one_that_is_neither()
    {
        LaneView[] lanes = [Lane("a", 5, active: true), Lane("b", 6) with { HoldsLine = true }];
        Assert.Null(LanePlan.Better(lanes, 1));
        Assert.Equal(0, LanePlan.Better([lanes[0], lanes[1] with { IdleSince = null }], 1));
        Assert.Equal(0, LanePlan.Better([lanes[0], lanes[1] with { IsPinned = true }], 1));
        Assert.Equal(0, LanePlan.Better([lanes[0] with { IdleSince = null }, lanes[1] with { IsPinned = true }], 1));
        Assert.Null(LanePlan.Better([lanes[0] with { IdleSince = null }, lanes[1] with { IdleSince = null }], 1));
        Assert.Null(LanePlan.Better([lanes[0] with { IsPinned = true }, lanes[1] with { IdleSince = null }], 1));
        Assert.Null(LanePlan.Better([lanes[0] with { IsReady = false }, lanes[1] with { IsPinned = true }], 1));
    }

    [Fact]
    public void Of_models_beyond_those_that_may_stay_the_least_recently_used_leaves_and_never_the_active_one()
    {
        LaneView[] lanes = [Lane("a", 5), Lane("b", 3), Lane("c", 2, active: true)];
        Assert.Null(LanePlan.Leaver(lanes, 3));
        Assert.Equal(1, LanePlan.Leaver(lanes, 2));
        Assert.Equal(0, LanePlan.Leaver([lanes[0], lanes[1] with { IdleSince = null }, lanes[2]], 2));
    }
}
