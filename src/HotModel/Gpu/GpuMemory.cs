using System.Globalization;
using System.Text;

namespace HotModel.Gpu;

/// <summary>
/// Reads the used memory of all NVIDIA devices. Safe from any thread; never throws for want of a device.
/// </summary>
internal sealed unsafe class GpuMemory : IDisposable
{
    private const int MegabyteShift = 20;
    /// <summary>A list that grows while it is read is read again, but not for ever.</summary>
    private const int ProcessListTries = 4;

    private readonly Lock gate = new();
    private NvmlNative? nvml;
    private readonly nint[] devices;
    private readonly (string Id, string Name)[] names;

    private GpuMemory(NvmlNative? nvml, nint[] devices)
    {
        this.nvml = nvml;
        this.devices = devices;
        names = [.. devices.Select((device, index) => NameOf(nvml!, device, index))];
    }

    private static string DefaultLibrary => OperatingSystem.IsWindows() ? "nvml.dll" : "libnvidia-ml.so.1";

    /// <summary>False: every reading is empty.</summary>
    public bool IsPresent => devices.Length > 0;

    /// <summary>Always gives an object: without driver or device its readings are empty.</summary>
    public static GpuMemory TryOpen(string? libraryPath = null)
    {
        var nvml = NvmlNative.TryLoad(libraryPath ?? DefaultLibrary);
        if (nvml is null || nvml.nvmlInit_v2() != NvmlNative.Success)
            return new GpuMemory(null, []);
        var devices = Devices(nvml);
        if (devices.Length > 0)
            return new GpuMemory(nvml, devices);
        nvml.nvmlShutdown();
        return new GpuMemory(null, []);
    }

    public GpuReading Read(TimeProvider time)
    {
        var capturedAt = time.GetUtcNow();
        lock (gate)
        {
            if (nvml is null)
                return Empty(capturedAt);
            var perGpu = new long[devices.Length];
            var each = new GpuDevice[devices.Length];
            ulong total = 0;
            for (var i = 0; i < devices.Length; i++)
            {
                var memory = new NvmlNative.Memory { Version = NvmlNative.MemoryVersion };
                // A figure that lacks one device would look like memory that came back.
                if (nvml.nvmlDeviceGetMemoryInfo_v2(devices[i], &memory) != NvmlNative.Success)
                    return Empty(capturedAt);
                total += memory.Used;
                perGpu[i] = (long)(memory.Used >> MegabyteShift);
                each[i] = new GpuDevice(names[i].Id, names[i].Name, (long)memory.Used, (long)memory.Free);
            }
            var processes = new List<GpuProcess>();
            for (var i = 0; i < devices.Length; i++)
                AddProcesses(nvml, i, processes);
            return new GpuReading(capturedAt, (long)(total >> MegabyteShift), perGpu, processes) { Devices = each };
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (nvml is null)
                return;
            nvml.nvmlShutdown();
            nvml = null;
        }
    }

    private static GpuReading Empty(DateTimeOffset capturedAt) => new(capturedAt, null, null, []);

    private static nint[] Devices(NvmlNative nvml)
    {
        uint count = 0;
        if (nvml.nvmlDeviceGetCount_v2(&count) != NvmlNative.Success)
            return [];
        var handles = new List<nint>();
        for (uint i = 0; i < count; i++)
        {
            nint handle = 0;
            // A device that this user may not see is one that our models cannot be on either.
            if (nvml.nvmlDeviceGetHandleByIndex_v2(i, &handle) == NvmlNative.Success)
                handles.Add(handle);
        }
        return [.. handles];
    }

    private static (string Id, string Name) NameOf(NvmlNative nvml, nint device, int index)
    {
        var name = Text(nvml.nvmlDeviceGetName, device) ?? "GPU";
        return (Text(nvml.nvmlDeviceGetUUID, device) ?? string.Create(CultureInfo.InvariantCulture, $"{name} {index}"), name);
    }

    private static string? Text(delegate* unmanaged<nint, byte*, uint, int> ask, nint device)
    {
        const int most = 96; // NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE
        var text = stackalloc byte[most];
        if (ask == null || ask(device, text, most) != NvmlNative.Success)
            return null;
        var bytes = new ReadOnlySpan<byte>(text, most);
        return Encoding.UTF8.GetString(bytes[..Math.Max(bytes.IndexOf((byte)0), 0)]) is { Length: > 0 } told ? told : null;
    }

    /// <summary>
    /// From both lists: CUDA counts as compute, Vulkan as graphics, and a process in both is one process.
    /// </summary>
    private void AddProcesses(NvmlNative nvml, int device, List<GpuProcess> processes)
    {
        var usedByPid = new SortedDictionary<uint, ulong>();
        Collect(nvml.nvmlDeviceGetComputeRunningProcesses_v3, devices[device], usedByPid);
        Collect(nvml.nvmlDeviceGetGraphicsRunningProcesses_v3, devices[device], usedByPid);
        foreach (var (pid, used) in usedByPid)
            processes.Add(new GpuProcess(device, (int)pid, (long)(used >> MegabyteShift)));
    }

    private static void Collect(
        delegate* unmanaged<nint, uint*, NvmlNative.ProcessInfo*, int> list, nint device,
        SortedDictionary<uint, ulong> usedByPid)
    {
        if (list == null)
            return;
        uint count = 0;
        var result = list(device, &count, null);
        for (var attempt = 0; result == NvmlNative.InsufficientSize && attempt < ProcessListTries; attempt++)
        {
            // Room for those that start between the two calls.
            var infos = new NvmlNative.ProcessInfo[count + 8];
            count = (uint)infos.Length;
            fixed (NvmlNative.ProcessInfo* first = infos)
                result = list(device, &count, first);
            if (result != NvmlNative.Success)
                continue;
            foreach (var info in infos.AsSpan(0, (int)Math.Min(count, (uint)infos.Length)))
            {
                if (info.UsedGpuMemory != NvmlNative.NotAvailable)
                    usedByPid[info.Pid] = Math.Max(info.UsedGpuMemory, usedByPid.GetValueOrDefault(info.Pid));
            }
        }
    }
}
