using System.Diagnostics;

namespace FakeLlamaServer;

/// <summary>One model of the router. Its fields change under the lock of <see cref="FakeRouter"/> only.</summary>
internal sealed class FakeModel(string id, string path, string preset)
{
    public string Id { get; } = id;
    public string Path { get; } = path;
    /// <summary>Its section of the preset file.</summary>
    public string Preset { get; } = preset;
    /// <summary>llama-server's word. "loaded" also while it stops: no other word is ever shown for that.</summary>
    public string Status { get; set; } = "unloaded";
    public bool Stopping { get; set; }
    public int? ExitCode { get; set; }
    public bool Failed { get; set; }
    public int InFlight { get; set; }
    /// <summary>In its only slot.</summary>
    public int HeldTokens { get; set; }
    /// <summary>Stands for the model's process: something with a pid that can be killed, and ends when the router does.</summary>
    public Process? Child { get; set; }
    /// <summary>Cancelled when the model's process ends, asked or not.</summary>
    public CancellationTokenSource Ended { get; set; } = new();

    public bool IsRunning => Status != "unloaded";
}
