using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace HotModel.Access;

/// <summary>That one stranger with many connections does not keep all others out.</summary>
/// <remarks>
/// One address of the network has at most half of all connections, all addresses together three quarters: what is left is
/// for this machine, so that its owner can always look what is going on.
/// </remarks>
/// <param name="most">Connections at once, of everybody.</param>
internal sealed class ConnectionShares(long most)
{
    private readonly ConcurrentDictionary<IPAddress, long> ofAddress = [];
    private long ofNetwork;

    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (AddressOf(connection) is not { } address)
        {
            await next(connection);
            return;
        }
        try
        {
            var together = Interlocked.Increment(ref ofNetwork);
            var own = ofAddress.AddOrUpdate(address, 1, static (_, count) => count + 1);
            // Closed without a word, as everything beyond the server's own limit is.
            if (own <= most / 2 && together <= most / 4 * 3)
                await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref ofNetwork);
            // Forgotten only while nobody has counted one more.
            if (ofAddress.AddOrUpdate(address, 0, static (_, count) => count - 1) == 0)
                ofAddress.TryRemove(KeyValuePair.Create(address, 0L));
        }
    }

    /// <summary>Null: this machine's. Of IPv6 the first half, for the other is its owner's to choose.</summary>
    private static IPAddress? AddressOf(ConnectionContext connection)
    {
        if (connection.RemoteEndPoint is not IPEndPoint { Address: var address } || IPAddress.IsLoopback(address))
            return null;
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(bytes.Length / 2).Clear();
        return new IPAddress(bytes);
    }
}
