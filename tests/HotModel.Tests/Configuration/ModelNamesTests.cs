using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public class ModelNamesTests
{
    private static readonly ModelNames Names = new(
        TestConfig.Create("small", "large").Models.ToDictionary(
            m => m.Key, m => m.Key == "large" ? m.Value with { Aliases = ["gpt-4o", "big"] } : m.Value));

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("active", null)]
    [InlineData("small", "small")]
    [InlineData("gpt-4o", "large")]
    [InlineData("big", "large")]
    public void Name_or_alias_means_its_model_and_no_name_the_active_one(string? name, string? expected)
    {
        Assert.True(Names.TryResolve(name, out var model));
        Assert.Equal(expected, model);
    }

    [Theory]
    [InlineData("Small", "There is no model \"Small\" (did you mean \"small\"?). Configured are: large, small. "
        + "\"active\" is the one that answers now.")]
    [InlineData("qwen", "There is no model \"qwen\". Configured are: large, small. \"active\" is the one that answers now.")]
    public void Unknown_name_is_told_the_known_ones(string name, string message)
    {
        Assert.False(Names.TryResolve(name, out _));
        Assert.Equal(message, Names.Unknown(name));
    }

    [Fact]
    public void List_of_many_names_is_cut()
    {
        var many = new ModelNames(TestConfig.Create([.. Enumerable.Range(100, 50).Select(i => $"m{i}")]).Models);
        Assert.Contains("m139 and 10 more.", many.Unknown("qwen"));
    }

    /// <summary>A name may be as long as a body, and looking for its nearest costs its length for each model.</summary>
    [Fact]
    public void Name_of_any_length_is_cut_and_not_compared()
    {
        var message = Names.Unknown(new string('x', 50_000_000));
        Assert.StartsWith($"There is no model \"{new string('x', 200)}...\". Configured are: large, small.", message);
        Assert.StartsWith(
            $"There is no model \"{new string('x', 199)}...\".", Names.Unknown(new string('x', 199) + "\U0001F600 more"));
    }
}
