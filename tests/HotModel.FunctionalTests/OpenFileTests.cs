using System.Net;
using System.Net.Sockets;

namespace HotModel.FunctionalTests;

/// <summary>File descriptors: a client must not take the last one, and where there is none it is an error like another.</summary>
public sealed class OpenFileTests
{
    private const string Prompt = "hello";

    [Fact]
    public async Task Soft_limit_is_raised_to_the_hard_one_for_the_model_too()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Limit = "-S -n 256" });
        foreach (var pid in (int[])[hotmodel.Pid, hotmodel.Server.Pid, hotmodel.ModelChild.Pid])
        {
            var (soft, hard) = ProcessTree.OpenFilesLimit(pid);
            Assert.True(hard > 256);
            Assert.Equal(hard, soft);
        }
    }

    [Fact]
    public async Task Idle_connections_without_end_leave_a_switch_its_sockets()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Limit = "-n 300" });
        // In the pool from here on.
        await hotmodel.Api.ChatAsync(Prompt);
        var idle = new List<Socket>();
        try
        {
            for (var i = 0; i < 400; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                idle.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, hotmodel.Setup.Port);
            }
            var report = await hotmodel.Api.SwitchAsync("b");
            Assert.True(report.Status == 200 && (string?)report.Json["active_model"] == "b", report.Text);
            Assert.Equal("b", (await hotmodel.Api.ChatAsync(Prompt)).Model);
            // Those that came too late were closed, the others not.
            Assert.InRange(idle.Count(socket => socket.Poll(0, SelectMode.SelectRead)), 250, 399);
        }
        finally
        {
            idle.ForEach(socket => socket.Dispose());
        }
        await Until.True(() => ProcessTree.OpenFiles(hotmodel.Pid) < 150, TimeSpan.FromSeconds(10), "the connections are closed");
        Assert.Equal(200, (await hotmodel.Api.GetAsync("health")).Status);
    }

    [Fact]
    public async Task No_descriptor_left_is_a_bad_gateway_and_the_model_is_still_watched()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var (soft, _) = ProcessTree.OpenFilesLimit(hotmodel.Pid);
        // No new one gets so low a number.
        ProcessTree.LimitOpenFiles(hotmodel.Pid, 3);
        var refused = await hotmodel.Api.ChatAsync(Prompt);
        ProcessTree.LimitOpenFiles(hotmodel.Pid, soft);

        Assert.True(refused.Status == 502, refused.Text);
        Assert.Equal("upstream_unreachable", (string?)refused.Json["error"]!["code"]);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync(Prompt)).Status);
        ProcessTree.Send(hotmodel.ModelChild.Pid, Signal.Kill);
        await Until.True(async () => (await hotmodel.Api.ChatAsync(Prompt)).Status == 200, TimeSpan.FromSeconds(20), "it is loaded again");
    }
}
