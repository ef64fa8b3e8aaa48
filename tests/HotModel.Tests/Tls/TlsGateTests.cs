using System.IO.Pipelines;
using System.Net;
using System.Text;
using HotModel.Tls;
using Microsoft.AspNetCore.Connections;

namespace HotModel.Tests.Tls;

/// <summary>Who may speak plain HTTP where there is TLS.</summary>
public sealed class TlsGateTests
{
    private const string Request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

    private readonly Pipe fromClient = new();
    private readonly Pipe toClient = new();
    private bool isServed;

    private async Task<string> SendAsync(string remote, string local, string bytes)
    {
        var connection = new DefaultConnectionContext
        {
            RemoteEndPoint = new IPEndPoint(IPAddress.Parse(remote), 50_000),
            LocalEndPoint = new IPEndPoint(IPAddress.Parse(local), 18_080),
            Transport = new Duplex(fromClient.Reader, toClient.Writer),
        };
        await fromClient.Writer.WriteAsync(Encoding.ASCII.GetBytes(bytes));
        await fromClient.Writer.CompleteAsync();
        // No handshake gets as far as the certificate here.
        await new TlsGate(served =>
        {
            isServed = true;
            Assert.Null(served.Features.Get<Microsoft.AspNetCore.Http.Features.ITlsConnectionFeature>());
            return Task.CompletedTask;
        }, null!, TimeProvider.System).RunAsync(connection);
        await toClient.Writer.CompleteAsync();
        return Encoding.ASCII.GetString((await toClient.Reader.ReadAtLeastAsync(10_000)).Buffer.FirstSpan);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::ffff:127.0.0.1", "::ffff:127.0.0.1")]
    [InlineData("192.168.1.5", "192.168.1.5")]
    public async Task This_machine_is_served(string remote, string local)
    {
        Assert.Equal("", await SendAsync(remote, local, Request));
        Assert.True(isServed);
    }

    [Theory]
    [InlineData("192.168.1.7", "192.168.1.5")]
    [InlineData("2001:db8::1", "2001:db8::2")]
    [InlineData("169.254.1.1", "127.0.0.1")]
    public async Task Other_machine_is_told_to_speak_tls(string remote, string local)
    {
        var told = await SendAsync(remote, local, Request);
        Assert.StartsWith("HTTP/1.1 400 ", told, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"tls_needed\"", told, StringComparison.Ordinal);
        Assert.False(isServed);
    }

    [Fact]
    public async Task Other_machine_that_leaves_at_once_is_told_nothing()
    {
        Assert.Equal("", await SendAsync("192.168.1.7", "192.168.1.5", ""));
        Assert.False(isServed);
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;
        public PipeWriter Output => output;
    }
}
