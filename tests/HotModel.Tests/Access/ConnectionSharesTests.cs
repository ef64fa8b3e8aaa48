using System.Net;
using HotModel.Access;
using Microsoft.AspNetCore.Connections;

namespace HotModel.Tests.Access;

public sealed class ConnectionSharesTests
{
    private readonly ConnectionShares shares = new(16);
    private readonly TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> open = [];

    /// <summary>How many of so many connections of the address are let in and stay.</summary>
    private int LetIn(string address, int count)
    {
        var served = 0;
        for (var i = 0; i < count; i++)
        {
            var connection = new DefaultConnectionContext { RemoteEndPoint = new IPEndPoint(IPAddress.Parse(address), 1000 + i) };
            open.Add(shares.RunAsync(connection, _ =>
            {
                served++;
                return end.Task;
            }));
        }
        return served;
    }

    private async Task CloseAsync()
    {
        end.SetResult();
        await Task.WhenAll(open);
    }

    [Theory]
    [InlineData("192.168.1.7")]
    [InlineData("::ffff:192.168.1.7")]
    [InlineData("2001:db8::1")]
    public async Task One_address_has_at_most_half(string address)
    {
        Assert.Equal(8, LetIn(address, 20));
        Assert.Equal(4, LetIn("192.168.1.8", 20));
        await CloseAsync();
    }

    [Fact]
    public async Task All_addresses_together_have_three_quarters_and_this_machine_the_rest()
    {
        Assert.Equal(12, Enumerable.Range(1, 20).Sum(i => LetIn($"10.0.0.{i}", 1)));
        Assert.Equal(20, LetIn("127.0.0.1", 10) + LetIn("::1", 5) + LetIn("127.9.9.9", 5));
        await CloseAsync();
    }

    [Fact]
    public async Task Addresses_of_one_network_of_ipv6_are_one()
    {
        Assert.Equal(8, LetIn("2001:db8::1", 6) + LetIn("2001:db8::ffff:2", 6));
        Assert.Equal(4, LetIn("2001:db8:0:1::1", 6));
        await CloseAsync();
    }

    [Fact]
    public async Task Connection_that_ends_makes_room_whatever_its_end()
    {
        var failing = new DefaultConnectionContext { RemoteEndPoint = new IPEndPoint(IPAddress.Parse("192.168.1.7"), 1) };
        for (var i = 0; i < 40; i++)
            await Assert.ThrowsAsync<IOException>(() => shares.RunAsync(failing, _ => throw new IOException()));
        Assert.Equal(8, LetIn("192.168.1.7", 20));
        await CloseAsync();
    }
}
