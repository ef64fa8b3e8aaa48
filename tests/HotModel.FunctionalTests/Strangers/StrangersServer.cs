using System.Net.Sockets;
using System.Text;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>The tests of this collection share one hotmodel, one after another, and leave it as it was.</summary>
[CollectionDefinition(Name)]
public sealed class StrangersCollection : ICollectionFixture<StrangersServer>
{
    public const string Name = "strangers";
}

/// <summary>A hotmodel without keys on loopback, as most are: what strangers try must fail there.</summary>
public sealed class StrangersServer : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private HotModelProcess? process;
    private int child;

    internal HotModelProcess Process => process!;

    public async ValueTask InitializeAsync()
    {
        // Where a name is judged shows: one that is not loaded is refused.
        process = await HotModelProcess.StartAsync(new Setup
        {
            Server = """
                allowed_hosts = ["gpu-box.lan"]
                switch_on_request = "reject"
                max_body_mb = 2
                """,
        });
        child = process.ModelChild.Pid;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
    }

    /// <summary>The active model, and the process that holds it, are those of the beginning.</summary>
    internal async Task NothingHappenedAsync()
    {
        Assert.Equal("a", (string?)(await Process.StateAsync())["active_model"]);
        Assert.Equal(child, Process.ModelChild.Pid);
    }

    /// <summary>Sends the bytes on a connection of their own; all that comes until it ends.</summary>
    internal Task<string> ExchangeAsync(string bytes) => ExchangeAsync(Process.Setup.Port, Encoding.Latin1.GetBytes(bytes));

    internal static async Task<string> ExchangeAsync(int port, byte[] bytes)
    {
        using var client = await RawClient.ConnectAsync(port);
        try
        {
            await client.SendAsync(bytes);
        }
        catch (SocketException)
        {
            // A server may answer and close before it has read all.
        }
        return Encoding.UTF8.GetString(await client.ReadToEndAsync().WaitAsync(Limit));
    }

    /// <summary>The status of the answer to one request, after which the connection ends.</summary>
    internal async Task<int> StatusAsync(
        string method, string target, string host = "localhost", string headers = "", string? body = null)
    {
        var content = body is null ? ""
            : $"Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n";
        var answer = await ExchangeAsync(
            $"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{content}\r\n{body}");
        return StatusOf(answer);
    }

    internal static int StatusOf(string answer)
    {
        Assert.StartsWith("HTTP/1.1 ", answer, StringComparison.Ordinal);
        return int.Parse(answer.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture);
    }
}
