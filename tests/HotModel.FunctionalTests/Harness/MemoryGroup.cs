using System.Globalization;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A cgroup with a bound on the memory of the processes in it, and of those that they start.</summary>
internal sealed class MemoryGroup : IAsyncDisposable
{
    private readonly string folder;
    private readonly bool isOfVersion2;

    private MemoryGroup(string folder, bool isOfVersion2) => (this.folder, this.isOfVersion2) = (folder, isOfVersion2);

    /// <summary>Leaves the test out where none can be made.</summary>
    public static async Task<MemoryGroup> CreateAsync()
    {
        var isOfVersion2 = File.Exists("/sys/fs/cgroup/cgroup.controllers");
        var name = $"hotmodel-test-{Guid.NewGuid():N}";
        var group = new MemoryGroup(
            Path.Combine(isOfVersion2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory", name), isOfVersion2);
        if (await Root.TryRunAsync($"mkdir '{group.folder}' && test -w '{group.LimitFile}'") is null)
        {
            await group.DisposeAsync();
            Assert.Skip("no memory cgroup can be made here");
        }
        return group;
    }

    public Task LimitAsync(int megabytes) => Root.RunAsync(string.Create(CultureInfo.InvariantCulture,
        $"echo {megabytes}M >'{LimitFile}'"));

    /// <summary>With everything below it.</summary>
    public Task TakeAsync(int pid) => Root.RunAsync(string.Join('\n',
        ProcessTree.Descendants(pid).Select(child => child.Pid).Prepend(pid)
        .Select(each => string.Create(CultureInfo.InvariantCulture, $"echo {each} >'{folder}/cgroup.procs'"))));

    /// <summary>How often the kernel killed for want of memory.</summary>
    public async Task<int> KillsAsync()
    {
        var file = isOfVersion2 ? "memory.events" : "memory.oom_control";
        var lines = (await File.ReadAllTextAsync(Path.Combine(folder, file))).Split('\n');
        return int.Parse(
            lines.Single(line => line.StartsWith("oom_kill ", StringComparison.Ordinal)).Split(' ')[1],
            CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync() => await Root.TryRunAsync($"! test -d '{folder}' || rmdir '{folder}'");

    private string LimitFile => Path.Combine(folder, isOfVersion2 ? "memory.max" : "memory.limit_in_bytes");
}
