using System.Diagnostics;
using System.Globalization;
using HotModel.LoadTests.Scenarios;

namespace Soak;

/// <summary>Does one fault after another, and sees that hotmodel comes back from each.</summary>
internal sealed class Injector(FaultRecord record, ICollection<string> problems)
{
    public static readonly TimeSpan RecoveryLimit = TimeSpan.FromSeconds(30);

    // A fault that would begin in the last seconds would have no clients left to see it.
    private static readonly TimeSpan LastSeconds = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private int done;

    /// <summary>Goes on in the list where it has been before.</summary>
    public async Task RunAsync(IReadOnlyList<Fault> faults, Client client, TimeSpan duration)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            await Task.Delay(LongestPause * Random.Shared.NextDouble());
            if (Stopwatch.GetElapsedTime(began) > duration - LastSeconds)
                return;
            await RunAsync(faults[done++ % faults.Count], client);
        }
    }

    private async Task RunAsync(Fault fault, Client client)
    {
        Action<TimeSpan?> end = record.Begin(fault);
        if (!await fault.Run(client))
        {
            end(null);
            return;
        }
        long began = Stopwatch.GetTimestamp();
        bool isBack = await IsAnsweredAsync(client);
        TimeSpan recovery = Stopwatch.GetElapsedTime(began);
        end(recovery);
        if (!isBack)
        {
            problems.Add(string.Create(CultureInfo.InvariantCulture,
                $"{fault.Name}: nothing was answered for {recovery.TotalSeconds:0} s"));
        }
    }

    private static async Task<bool> IsAnsweredAsync(Client client)
    {
        using var limit = new CancellationTokenSource(RecoveryLimit);
        while (!limit.IsCancellationRequested)
        {
            try
            {
                using HttpResponseMessage response = await client.PostAsync(
                    ChatBody.Path, ChatBody.Create(4, stream: false), null, limit.Token);
                if (response.IsSuccessStatusCode)
                    return true;
                await Task.Delay(Interval, limit.Token);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                // Nobody listens yet, or the connection was one of a process that is gone.
            }
        }
        return false;
    }
}
