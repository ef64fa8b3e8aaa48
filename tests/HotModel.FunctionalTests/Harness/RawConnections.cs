namespace HotModel.FunctionalTests.Harness;

internal static class RawConnections
{
    /// <summary>One after the other on each of a few connections.</summary>
    public static Task ForAllAsync(Setup setup, IEnumerable<int> all, int connections, Func<RawClient, int, Task> act) =>
        Task.WhenAll(all.GroupBy(i => i % connections).Select(async part =>
        {
            using var client = await RawClient.ConnectAsync(setup.Port);
            foreach (var i in part)
                await act(client, i);
        }));
}
