using System.Text;
using HotModel.Api;
using HotModel.Proxy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Api;

/// <summary>Memory for bodies, of which each request holds its share until it is answered.</summary>
public sealed class ClientBodiesTests
{
    private const int Kib = 1 << 10;

    private readonly BodyBudget budget = new(300 * Kib);

    private static DefaultHttpContext Request(int bytes) => new()
    {
        Request =
        {
            Method = "POST",
            ContentType = "application/json",
            Body = new MemoryStream(Encoding.ASCII.GetBytes(new string(' ', bytes))),
        },
        Response = { Body = new MemoryStream() },
    };

    [Fact]
    public async Task Body_for_which_there_is_no_memory_now_is_refused_and_taken_later()
    {
        var bodies = new ClientBodies(1 << 20, budget);
        using var held = budget.Open();
        Assert.True(held.TryGrow(200 * Kib));
        var refused = Request(200 * Kib);
        Assert.Null(await bodies.ReadAsync(refused, ModelPlace.Body));
        Assert.Equal((503, "1"), (refused.Response.StatusCode, refused.Response.Headers.RetryAfter.ToString()));
        refused.Response.Body.Position = 0;
        Assert.Contains("too_many_large_bodies", await new StreamReader(refused.Response.Body).ReadToEndAsync(), StringComparison.Ordinal);
        // What it had taken is given back: there is room for one that fits.
        Assert.Equal(100 * Kib, (await bodies.ReadAsync(Request(100 * Kib), ModelPlace.Body))!.Value.Length);
        held.Dispose();
        Assert.Equal(200 * Kib, (await bodies.ReadAsync(Request(200 * Kib), ModelPlace.Body))!.Value.Length);
    }

    [Fact]
    public async Task Small_body_is_taken_whatever_others_hold()
    {
        using var held = budget.Open();
        Assert.True(held.TryGrow(300 * Kib));
        Assert.NotNull(await new ClientBodies(1 << 20, budget).ReadAsync(Request(60 * Kib), ModelPlace.Body));
    }

    [Fact]
    public async Task Body_of_a_client_that_leaves_gives_its_memory_back()
    {
        var bodies = new ClientBodies(1 << 20, budget);
        for (var i = 0; i < 5; i++)
        {
            var context = Request(0);
            context.Request.Body = new BreakingStream(200 * Kib);
            await Assert.ThrowsAsync<IOException>(() => bodies.ReadAsync(context, ModelPlace.Body));
        }
        Assert.NotNull(await bodies.ReadAsync(Request(200 * Kib), ModelPlace.Body));
    }

    /// <summary>A fast beginning pays for nothing: who takes the memory of others has to go on.</summary>
    [Theory]
    [InlineData(7200, 200)]
    [InlineData(7199, 408)]
    public async Task Long_body_has_to_bring_something_in_every_half_minute(int bytesInTime, int status)
    {
        var time = new FakeTimeProvider();
        var context = Request(0);
        context.Request.Body = new SlowStream(150 * Kib, bytesInTime, time);

        var body = await new ClientBodies(1 << 20, budget, time).ReadAsync(context, ModelPlace.Body);

        Assert.Equal(status == 200, body is not null);
        Assert.Equal(status, context.Response.StatusCode);
    }

    /// <summary>Begins fast, and then takes 29 s for each read.</summary>
    private sealed class SlowStream(int bytesAtOnce, int bytesLater, FakeTimeProvider time) : MemoryStream(new byte[bytesAtOnce])
    {
        private int reads;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await base.ReadAsync(buffer, CancellationToken.None) is > 0 and var read)
                return read;
            time.Advance(TimeSpan.FromSeconds(29));
            cancellationToken.ThrowIfCancellationRequested();
            return reads++ < 5 ? Math.Min(bytesLater, buffer.Length) : 0;
        }
    }

    private sealed class BreakingStream(int bytes) : MemoryStream(new byte[bytes])
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is > 0 and var read ? read : throw new IOException("The client left.");
    }
}
