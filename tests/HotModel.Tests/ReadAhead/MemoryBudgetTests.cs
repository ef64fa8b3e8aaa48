using HotModel.ReadAhead;

namespace HotModel.Tests.ReadAhead;

public class MemoryBudgetTests
{
    private const long Gib = 1L << 30;

    private const string MemInfo =
        "MemTotal:       16777216 kB\nMemFree:          524288 kB\nMemAvailable:   12582912 kB\n"
        + "MappedFoo:      1 kB\nMapped:          4194304 kB\n";

    [Fact]
    public void Meminfo_is_read()
    {
        Assert.Equal(new MemoryState(16 * Gib, 12 * Gib, 4 * Gib), MemoryState.OfMemInfo(MemInfo));
        Assert.Null(MemoryState.OfMemInfo("MemTotal: 16 kB\n"));
        Assert.Null(MemoryState.OfMemInfo(""));
    }

    [Fact]
    public void Cached_files_of_a_control_group_count_as_available()
    {
        const string Stat = "anon 5\nfile 900\nfile_mapped 30\ninactive_file 500\nactive_file 300\n";
        Assert.Equal(new MemoryState(2000, 2000 - 1900 + 800, 30), MemoryState.OfGroup("2000\n", "1900\n", Stat));
        Assert.Null(MemoryState.OfGroup("max\n", "1900\n", Stat));
    }

    [Theory]
    [InlineData("0::/\n", "/sys/fs/cgroup/")]
    [InlineData("0::/a.slice/b.service\n", "/sys/fs/cgroup/a.slice/b.service /sys/fs/cgroup/a.slice /sys/fs/cgroup/")]
    [InlineData("4:memory:/x\n", "")]
    [InlineData("", "")]
    public void Groups_are_those_around_the_process(string text, string expected) =>
        Assert.Equal(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries), MemoryState.Groups(text));

    [Fact]
    public void Budget_leaves_a_sixteenth_and_what_is_mapped()
    {
        var budget = new MemoryBudget(() => [new MemoryState(16 * Gib, 12 * Gib, 4 * Gib)]);
        Assert.Equal(7 * Gib, budget.ReadBytes());
    }

    [Fact]
    public void Budget_grows_when_the_old_model_goes_and_does_not_shrink_by_the_new_one()
    {
        var mapped = 8 * Gib;
        var budget = new MemoryBudget(() => [new MemoryState(16 * Gib, 12 * Gib, mapped)]);
        Assert.Equal(3 * Gib, budget.ReadBytes());
        mapped = 0;
        Assert.Equal(11 * Gib, budget.ReadBytes());
        mapped = 6 * Gib;
        Assert.Equal(11 * Gib, budget.ReadBytes());
    }

    [Fact]
    public void Budget_is_the_tightest_and_never_negative()
    {
        Assert.Equal(3 * Gib, new MemoryBudget(
            () => [new(16 * Gib, 12 * Gib, 0), new(16 * Gib, 4 * Gib, 0), new(16 * Gib, 9 * Gib, 0)]).ReadBytes());
        Assert.Equal(0, new MemoryBudget(() => [new(16 * Gib, Gib / 2, 0)]).ReadBytes());
        Assert.Null(new MemoryBudget(() => []).ReadBytes());
    }

    [Fact]
    public void This_system_tells_its_memory()
    {
        var states = MemoryState.ReadAll();
        Assert.NotEmpty(states);
        Assert.All(states, state => Assert.InRange(state.Available, 0, state.Total));
    }
}
