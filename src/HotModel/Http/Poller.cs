using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace HotModel.Http;

/// <summary>Waits for many sockets on one thread, and lets each stream's relay run there. Linux only.</summary>
/// <remarks>
/// .NET's sockets take a look that finds nothing and two hand-overs between threads for every arrival; here it is one
/// call to wait for many, one to receive and one to send. The price: what runs on this thread holds up all streams, so
/// nothing there may block, write to disk or log. <see cref="LeaveAsync"/> takes the caller elsewhere.
/// </remarks>
internal sealed class Poller
{
    private const int EventsMax = 64;

    private static readonly Lazy<Poller?> OfProcess = new(() => OperatingSystem.IsLinux() ? new() : null);
    [ThreadStatic]
    private static bool isOwnThread;

    private readonly SafeFileHandle poll = Epoll.Create();
    private readonly ConcurrentDictionary<long, PolledTransport> transports = [];
    private long lastId;

    private Poller() => new Thread(Run) { IsBackground = true, Name = "relay" }.Start();

    /// <summary>The one of this process, begun when first asked for; null where there is none.</summary>
    public static Poller? Shared => OfProcess.Value;

    /// <summary>Goes on on a thread of the pool if this is the poller's.</summary>
    public static async ValueTask LeaveAsync()
    {
        if (isOwnThread)
            await Task.Yield();
    }

    public long Join(PolledTransport transport)
    {
        long id = Interlocked.Increment(ref lastId);
        transports[id] = transport;
        return id;
    }

    /// <summary>No event of it is delivered any more; one that is on its way may be.</summary>
    public void Leave(long id) => transports.TryRemove(id, out _);

    public void Control(int operation, Socket socket, uint events, long id) =>
        Epoll.Control(poll, operation, socket.SafeHandle, events, id);

    private void Run()
    {
        isOwnThread = true;
        // There is nothing to flow, and not to look for it makes going on cheaper.
        ExecutionContext.SuppressFlow();
        var events = new byte[EventsMax * 16];
        while (true)
        {
            int count = Epoll.Wait(poll, events);
            for (int i = 0; i < count; i++)
            {
                (uint told, long id) = Epoll.Read(events, i);
                if (transports.TryGetValue(id, out PolledTransport? transport))
                    transport.OnEvents(told);
            }
        }
    }
}
