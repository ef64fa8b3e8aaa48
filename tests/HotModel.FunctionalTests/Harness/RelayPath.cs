namespace HotModel.FunctionalTests.Harness;

/// <summary>The ways in which streams reach a client, as lines for Setup.Server: tests of the relay hold on each.</summary>
internal static class RelayPath
{
    /// <summary>From socket to socket, on Linux.</summary>
    public const string Fast = "fast_relay = true";
    /// <summary>Through the web server's buffers, as on other systems.</summary>
    public const string Portable = "fast_relay = false";

    /// <summary>What hotmodel calls the thread that the fast way runs on.</summary>
    public const string FastThread = "relay";

    public static TheoryData<string> All => [Fast, Portable];

    /// <summary>A hotmodel that relays that way, before the scripted llama-server.</summary>
    public static Task<HotModelProcess> StartAsync(string path) =>
        HotModelProcess.StartAsync(new Setup { Scripted = true, Server = path });
}
