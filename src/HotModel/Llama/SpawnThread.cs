using System.Collections.Concurrent;

namespace HotModel.Llama;

/// <summary>The one thread that starts processes.</summary>
/// <remarks>
/// Linux sends the parent-death signal when the *thread* that forked ends, and threads of the pool come and go. This
/// one
/// lives as long as the program.
/// </remarks>
internal static class SpawnThread
{
    private static readonly BlockingCollection<Action> Work = Start();

    public static Task<T> RunAsync<T>(Func<T> start)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                completion.SetResult(start());
            }
            catch (Exception exception)
            {
                completion.SetException(exception);
            }
        });
        return completion.Task;
    }

    private static BlockingCollection<Action> Start()
    {
        var work = new BlockingCollection<Action>();
        var thread = new Thread(() =>
        {
            foreach (var action in work.GetConsumingEnumerable())
                action();
        }, maxStackSize: 256 * 1024)
        {
            IsBackground = true,
            Name = "spawn",
        };
        thread.Start();
        return work;
    }
}
