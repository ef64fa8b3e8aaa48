using System.Text;
using HotModel.Http;

namespace HotModel.Tests.Http;

/// <summary>Alone, because what is counted is what the whole process allocates.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public class AllocationTests
{
    [Fact]
    public async Task Reads_of_a_stream_allocate_nothing()
    {
        const int Count = 20_000;
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            byte[] events = Encoding.ASCII.GetBytes(
                string.Concat(Enumerable.Repeat("10\r\n0123456789abcdef\r\n", 100)));
            for (int i = 0; i < Count / 100; i++)
                await connection.SendAsync(events);
            await connection.SendAsync("0\r\n\r\n");
        });
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);
        using HttpReply reply = await endpoint.SendAsync(new("GET", "x"), CancellationToken.None);
        using var cancel = new CancellationTokenSource();
        var buffer = new byte[64];
        long total = 0;
        int count;
        long before = GC.GetTotalAllocatedBytes();
        while ((count = await reply.Body.ReadAsync(buffer, cancel.Token)) > 0)
            total += count;

        Assert.Equal(16 * Count, total);
        // What the test's own server allocates; one object of 24 bytes for each of the reads would be over this.
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 300_000);
    }
}
