using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace HotModel.FunctionalTests.Harness;

/// <summary>The socket on which a supervisor hears of its service.</summary>
internal sealed class NotifySocket : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly Channel<string> messages = Channel.CreateUnbounded<string>();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("notify-");

    /// <param name="isAbstract">A name without a file.</param>
    public NotifySocket(bool isAbstract = false)
    {
        Path = isAbstract ? "@" + folder.Name : System.IO.Path.Combine(folder.FullName, "socket");
        socket.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + folder.Name : Path));
        _ = ReadAsync();
    }

    /// <summary>As it stands in NOTIFY_SOCKET.</summary>
    public string Path { get; }

    /// <summary>What comes next; pings are passed over.</summary>
    public async Task<string> NextAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            if (await messages.Reader.ReadAsync(limit.Token) is var message and not "WATCHDOG=1")
                return message;
        }
    }

    /// <summary>Passes over everything up to that one.</summary>
    public async Task WaitForAsync(string message)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (await messages.Reader.ReadAsync(limit.Token) != message)
        {
        }
    }

    /// <summary>What has come and was not read.</summary>
    public IReadOnlyList<string> Drain()
    {
        List<string> all = [];
        while (messages.Reader.TryRead(out var message))
            all.Add(message);
        return all;
    }

    public void Dispose()
    {
        socket.Dispose();
        folder.Delete(recursive: true);
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var count = await socket.ReceiveAsync(buffer);
                messages.Writer.TryWrite(Encoding.UTF8.GetString(buffer, 0, count));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            messages.Writer.TryComplete();
        }
    }
}
