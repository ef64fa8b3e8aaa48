using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Tls;

/// <summary>Where TLS is configured, each connection passes here before any HTTP is read.</summary>
/// <remarks>
/// Programs of this machine may speak plain HTTP to the same port, as hotmodel's own commands do: a certificate is made for
/// the name that others use, and what goes over loopback goes over no network.
/// </remarks>
internal sealed class TlsGate(ConnectionDelegate next, TlsIdentity identity, TimeProvider time)
{
    /// <summary>A slow network needs a second or two.</summary>
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);
    /// <summary>The type of a record of TLS that begins a handshake (RFC 8446, 5.1). No HTTP begins so.</summary>
    private const byte Handshake = 22;

    private static readonly byte[] Refusal = Encoding.ASCII.GetBytes(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
        + """{"error":{"message":"This port speaks TLS: the URL begins with https://","type":"invalid_request_error","""
        + "\"param\":null,\"code\":\"tls_needed\"}}");

    public async Task RunAsync(ConnectionContext connection)
    {
        var network = connection.Transport;
        bool isTls;
        try
        {
            using var limit = new CancellationTokenSource(HandshakeLimit, time);
            var read = await network.Input.ReadAsync(limit.Token);
            isTls = !read.Buffer.IsEmpty && read.Buffer.FirstSpan[0] == Handshake;
            network.Input.AdvanceTo(read.Buffer.Start);
            if (!isTls && !IsOfThisMachine(connection))
            {
                if (!read.Buffer.IsEmpty)
                    await network.Output.WriteAsync(Refusal, limit.Token);
                return;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Too slow, or gone again.
            return;
        }
        if (!isTls)
        {
            await next(connection);
            return;
        }
        using var tls = new TlsStream(identity.NewSession(), network);
        if (await AgreesAsync(tls))
            await SpeakAsync(connection, tls);
    }

    private async Task<bool> AgreesAsync(TlsStream tls)
    {
        using var limit = new CancellationTokenSource(HandshakeLimit, time);
        try
        {
            return await tls.HandshakeAsync(limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return false;
        }
    }

    private async Task SpeakAsync(ConnectionContext connection, TlsStream tls)
    {
        var network = connection.Transport;
        connection.Features.Set<ITlsConnectionFeature>(new WithoutClientCertificate());
        connection.Transport = new Plain(tls);
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = network;
        }
        using var limit = new CancellationTokenSource(HandshakeLimit, time);
        await tls.EndAsync(limit.Token);
    }

    /// <summary>Also by the address that others use: then both ends have it.</summary>
    private static bool IsOfThisMachine(ConnectionContext connection) =>
        connection.RemoteEndPoint is IPEndPoint { Address: var remote }
        && (IPAddress.IsLoopback(remote) || remote.Equals((connection.LocalEndPoint as IPEndPoint)?.Address));

    private sealed class Plain(TlsStream tls) : IDuplexPipe
    {
        public PipeReader Input { get; } = PipeReader.Create(tls, new StreamPipeReaderOptions(leaveOpen: true));
        public PipeWriter Output { get; } = PipeWriter.Create(tls, new StreamPipeWriterOptions(leaveOpen: true));
    }

    /// <summary>By which the web server knows that the scheme is https.</summary>
    private sealed class WithoutClientCertificate : ITlsConnectionFeature
    {
        public X509Certificate2? ClientCertificate { get; set; }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) =>
            Task.FromResult<X509Certificate2?>(null);
    }
}
