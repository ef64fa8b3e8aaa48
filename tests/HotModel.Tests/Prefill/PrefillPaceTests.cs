using HotModel.Prefill;

namespace HotModel.Tests.Prefill;

public sealed class PrefillPaceTests
{
    [Theory]
    [InlineData(500, 100)] // A fifth of a second each.
    [InlineData(1_000_000, 2048)]
    public void Pieces_come_to_take_a_moment(double tokensPerSecond, int tokens)
    {
        var pace = new PrefillPace();
        Assert.Equal(32, pace.Tokens);
        for (var i = 0; i < 30; i++)
            pace.Learn(pace.Tokens, pace.Tokens / tokensPerSecond);
        Assert.InRange(pace.Tokens, tokens - 2, tokens);
    }

    [Fact]
    public void Slow_model_has_short_pieces()
    {
        var pace = new PrefillPace();
        for (var i = 0; i < 30; i++)
        {
            pace.Learn(pace.Tokens, pace.Tokens / 10.0);
            Assert.InRange(pace.Tokens, 32, 64);
        }
    }

    [Fact]
    public void Pieces_that_cost_the_same_whatever_their_size_become_larger()
    {
        var pace = new PrefillPace();
        var (tokens, seconds) = (0, 0.0);
        while (tokens < 10_000)
        {
            var took = 0.6 + (pace.Tokens / 1000.0);
            tokens += pace.Tokens;
            seconds += took;
            pace.Learn(pace.Tokens, took);
        }
        // The least would make 51 tokens/s.
        Assert.InRange(tokens / seconds, 100, 300);
    }

    [Fact]
    public void One_fast_piece_does_not_make_a_long_one()
    {
        var pace = new PrefillPace();
        pace.Learn(32, 0.000_001);
        Assert.Equal(64, pace.Tokens);
    }

    [Fact]
    public void Piece_that_told_nothing_changes_nothing()
    {
        var pace = new PrefillPace();
        pace.Learn(0, 1);
        pace.Learn(32, 0);
        Assert.Equal(32, pace.Tokens);
    }
}
